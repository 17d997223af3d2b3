"""One selection, whole: all candidates on *select*, the winner against the champion on *gate*."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from workbench.answers import Answers
from workbench.blocks import Blocks
from workbench.candidates import Candidate, speed
from workbench.contest import Contest, Speed
from workbench.ensemble import answer_frame
from workbench.errors import DataError
from workbench.features import comparable
from workbench.loaded_version import LoadedVersion
from workbench.records import Comparison, GateVerdict
from workbench.training_data import Rows

log = logging.getLogger(__name__)
# Two-sided: within one standard error.
ONE_ERROR = 0.6827
LEAST_ROWS = 30


@dataclass(frozen=True)
class Selection:
    """Who won, by which scores; what winner and champion said to the rows of *gate*; and the verdict.

    `notes` name the candidates that could not be asked.
    """

    winner: Candidate
    scores: dict[str, float | None]
    said: Answers
    theirs: Answers | None
    costs: Speed
    verdict: GateVerdict
    notes: tuple[str, ...] = ()


def select(
    candidates: Sequence[Candidate],
    champion: LoadedVersion | None,
    blocks: Blocks,
    contest: Contest,
    until: str | None,
    *,
    budget_ms: float | None = None,
    segment: str | None = None,
    gating: Callable[[Candidate], None] = lambda winner: None,
) -> Selection:
    """Choose the winner and let it meet the champion.

    Parameters
    ----------
    until : ISO text
        Of the newest row that the champion has learnt or been chosen from.
    budget_ms : float, optional
        What one row may take: where some candidate keeps it, only those that do compete.
    segment : str, optional
        The column whose worst segment limits the gate.
    gating : callable (winner)
        Told before winner and champion meet.

    Raises
    ------
    DataError
        If no candidate can answer the rows.
    """
    rows = blocks.select if len(blocks.select) else blocks.gate
    said, notes = {}, []
    for candidate in candidates:
        answers = _asked(candidate, rows.frame)
        if isinstance(answers, str):
            notes.append(f"{candidate.name} does not compete: {answers}")
        else:
            said[candidate.name] = answers
    able = [c for c in candidates if c.name in said]
    if not able:
        raise DataError(f"no candidate can answer the newest rows: {'; '.join(notes)}")
    if budget_ms is not None:
        quick = [c for c in able if (c.row_ms or speed(c.estimator, c.schema, rows).row_ms) <= budget_ms]
        able = quick or able
    scores: dict[str, float | None] = dict.fromkeys(c.name for c in able)
    if len(blocks.select):
        scores = contest.scores(rows.y, {name: said[name] for name in scores})
    winner = {c.name: c for c in able}[contest.best(scores)]
    proven = [c for c in able if c.version is not None]
    if proven and winner.version is None:
        winner = _rather_proven(contest, rows, said, winner, proven, scores)
    if champion is not None:
        gating(winner)
    ours = winner.say(blocks.gate.frame)
    costs = speed(winner.estimator, winner.schema, blocks.gate)
    theirs, verdict = _meet(contest, blocks, ours, costs, champion, until, segment)
    return Selection(winner, scores, ours, theirs, costs, verdict, tuple(notes))


def _rather_proven(
    contest: Contest,
    rows: Rows,
    said: dict[str, Answers],
    winner: Candidate,
    proven: Sequence[Candidate],
    scores: dict[str, float | None],
) -> Candidate:
    """The best of the versions that were live before, unless the new winner is surely better: by more than one standard
    error (Breiman et al. 1984), since what has served is known to serve."""
    old = {c.name: c for c in proven}[contest.best({c.name: scores[c.name] for c in proven})]
    ours, theirs = contest.arrays(rows.y, [said[old.name], said[winner.name]])
    beside = contest.compare(ours, theirs, min_rows=LEAST_ROWS, confidence=ONE_ERROR)
    return winner if beside.verdict == "worse" or beside.advantage is None else old


def _asked(candidate: Candidate, frame: pd.DataFrame) -> Answers | str:
    """What a candidate says to rows, or why it cannot: a model of somebody's own may raise anything."""
    try:
        return candidate.say(frame)
    except Exception as error:
        log.exception("%s fails on rows to select by", candidate.name)
        return f"it fails on these rows ({type(error).__name__}: {error})"


def _meet(
    contest: Contest,
    blocks: Blocks,
    said: Answers,
    costs: Speed,
    champion: LoadedVersion | None,
    until: str | None,
    segment: str | None,
) -> tuple[Answers | None, GateVerdict]:
    """What the champion says to the gate's rows, and the verdict."""

    def untold(verdict: Comparison, why: str, rows: int = 0) -> GateVerdict:
        return GateVerdict(verdict=verdict, metric=contest.metric, rows=rows, sentence=f"{verdict}: {why}")

    if champion is None or until is None:
        return None, untold("no champion", "no version was live", len(blocks.gate))
    if not comparable(champion.schema, blocks.gate.schema):
        why = "the live version has another target or takes inputs that are no longer there, or not as it takes them"
        return None, untold("cannot tell", why)
    if (blocks.gate.block().start or "") <= until:
        why = "no row is newer than what the live version has learnt or been chosen from"
        return None, untold("cannot tell", why)
    try:
        theirs = answer_frame(champion.estimator, champion.schema, blocks.gate.frame[champion.schema.names])
    except Exception as error:
        # Whoever answers is better than who cannot.
        log.exception("the live version %s fails on the rows of the gate", champion.id)
        why = f"the live version fails on the rows of the gate ({type(error).__name__}: {error})"
        return None, contest.limited(untold("better", why, len(blocks.gate)), contest.costs(costs, None))
    return theirs, contest.meet(
        blocks.gate.y,
        said,
        theirs,
        speeds=(costs, speed(champion.estimator, champion.schema, blocks.gate)),
        segments=[] if segment is None else blocks.gate.X[segment].tolist(),
    )
