"""When River's detectors alarm on the same errors: run by an environment that has River, not by ours.

    python -I river_alarms.py ERRORS.npz SHARE

ERRORS.npz holds arrays of shape (runs, rows): `quiet`, in which nothing changes, any number of others, and for each of
them the `holdout_...` that its runs are fed first. The last line printed is JSON:

    {"version": "0.26.1", "detectors": {"ADWIN": {"parameter": "delta 0.001", "quiet": [[3, 950], [], ...],
                                                  "changed_0.25": [[17, 840], [], ...]}}}

Each detector has one parameter, tuned by bisection until at most SHARE of the quiet runs have an alarm. The answers are
the rows of a run's alarms, counted from 0 after the holdout.
"""

import json
import sys

import numpy as np

STEPS = 12
# A Page-Hinkley threshold is a sum of errors in units of the holdout's mean error.
BRACKETS = {"delta": (1e-12, 0.5), "threshold": (1.0, 1000.0)}


def adwin(parameter):
    """Looks as often as this project does in this comparison: every 10 rows, its default is 32."""
    from river import drift

    return drift.ADWIN(delta=parameter, clock=10)


def page_hinkley(tolerated):
    """For rising errors alone; `tolerated` of the mean error is no change."""

    def made(parameter):
        from river import drift

        return drift.PageHinkley(threshold=parameter, delta=tolerated, mode="up")

    return made


DETECTORS = {
    "ADWIN": (adwin, "delta"),
    "Page-Hinkley, delta 0.005": (page_hinkley(0.005), "threshold"),
    "Page-Hinkley, delta 0.1": (page_hinkley(0.1), "threshold"),
}


def alarms(detector, holdout, errors, first=False):
    """Rows at which the error is found to have risen; a detector that has alarmed begins anew, as River's do."""
    for error in holdout:
        detector.update(error)
    found = []
    for row, error in enumerate(errors):
        before = getattr(detector, "estimation", None)
        detector.update(error)
        # ADWIN finds changes of either kind: one for the better is no alarm.
        if detector.drift_detected and (before is None or detector.estimation > before):
            found.append(row)
            if first:
                break
    return found


def tuned(make, kind, holdouts, streams, share):
    """The parameter that alarms earliest of those that keep to the share."""
    low, high = np.log(BRACKETS[kind])
    for _ in range(STEPS):
        middle = (low + high) / 2
        pairs = zip(holdouts, streams, strict=True)
        found = sum(bool(alarms(make(float(np.exp(middle))), *pair, first=True)) for pair in pairs)
        too_many = found > share * len(streams)
        # A larger delta alarms more often, a larger threshold less.
        if too_many == (kind == "delta"):
            high = middle
        else:
            low = middle
    return float(np.exp(low if kind == "delta" else high))


def main(path, share):
    """Print what each detector says, tuned to this share of quiet runs with an alarm."""
    import river

    with np.load(path) as file:
        given = {name: file[name].tolist() for name in file.files}
    answers = {}
    for name, (make, kind) in DETECTORS.items():
        parameter = tuned(make, kind, given["holdout_quiet"], given["quiet"], share)
        answers[name] = {"parameter": f"{kind} {parameter:.2g}"}
        for runs in (key for key in given if not key.startswith("holdout_")):
            pairs = zip(given[f"holdout_{runs}"], given[runs], strict=True)
            answers[name][runs] = [alarms(make(parameter), *pair) for pair in pairs]
    print(json.dumps({"version": river.__version__, "detectors": answers}))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
