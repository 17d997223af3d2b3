"""What other tools' defaults say of the same windows: run by an environment that has those tools, not by ours.

    python -I peers.py FOLDER [TOOL ...]

FOLDER holds reference.parquet and window_000.parquet, window_001.parquet ... of the same columns. The last line
printed is JSON with an entry for each tool named, without a name for each that is known here:

    {"evidently": {"version": "0.7.23", "seconds": 9.1, "columns": [["cat_200"], ...],
                   "alarms": {"dataset_drift": [false, ...], "any_column_drifted": [true, ...]}},
     "nannyml": {"not_installed": "ModuleNotFoundError: No module named 'nannyml'"}}

`alarms` and `columns` have one entry a window, in the order of their numbers; `columns` names those that alarmed.
Only an ImportError makes a tool "not installed"; any other failure ends the run.
"""

import json
import os
import sys
import time
import warnings
from contextlib import redirect_stdout
from pathlib import Path

import pandas as pd


def evidently_alarms(reference, windows):
    """`Report([DataDriftPreset()])` on each window, column types as Evidently infers them from the frames.

    `dataset_drift` is the report's own verdict (at least half of the columns drifted); `any_column_drifted` is what
    somebody sees who looks at the columns. Both are read from the tests that come with the preset.
    """
    import evidently
    from evidently import Report
    from evidently.presets import DataDriftPreset

    start, dataset, columns = time.perf_counter(), [], []
    for window in windows:
        tests = Report([DataDriftPreset()], include_tests=True).run(window, reference).dict()["tests"]
        failed = [test["metric_config"]["params"] for test in tests if test["status"] == "FAIL"]
        dataset.append(any("column" not in params for params in failed))
        columns.append([params["column"] for params in failed if "column" in params])
    return {
        "version": evidently.__version__,
        "seconds": time.perf_counter() - start,
        "columns": columns,
        "alarms": {"dataset_drift": dataset, "any_column_drifted": [bool(names) for names in columns]},
    }


def nannyml_alarms(reference, windows):
    """`UnivariateDriftCalculator` with its default methods and thresholds; the whole window is one chunk.

    Its thresholds come from the reference cut into chunks of the window's size, so it is fitted once for each size.
    """
    import nannyml

    start, fitted, columns = time.perf_counter(), {}, []
    for window in windows:
        size = len(window)
        if size not in fitted:
            calculator = nannyml.UnivariateDriftCalculator(column_names=list(reference.columns), chunk_size=size)
            fitted[size] = calculator.fit(reference)
        result = fitted[size].calculate(window).filter(period="analysis").to_df()
        alerts = result.xs("alert", axis=1, level=2).any()
        columns.append([column for column, _ in alerts.index[alerts]])
    return {
        "version": nannyml.__version__,
        "seconds": time.perf_counter() - start,
        "columns": columns,
        "alarms": {"any_column_alert": [bool(names) for names in columns]},
    }


TOOLS = {"evidently": evidently_alarms, "nannyml": nannyml_alarms}


def main(folder, names):
    """Print what the tools of these names say of the windows in this folder."""
    # Before the tools are imported: neither may report home.
    os.environ.update(DO_NOT_TRACK="1", NML_DISABLE_USAGE_LOGGING="1")
    warnings.simplefilter("ignore")
    reference = pd.read_parquet(folder / "reference.parquet")
    windows = [pd.read_parquet(path) for path in sorted(folder.glob("window_*.parquet"), key=_number)]
    answers = {}
    for tool in names:
        try:
            with redirect_stdout(sys.stderr):
                answers[tool] = TOOLS[tool](reference, windows)
        except ImportError as error:
            answers[tool] = {"not_installed": f"{type(error).__name__}: {error}"}
    print(json.dumps(answers))


def _number(path):
    return int(path.stem.removeprefix("window_"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or list(TOOLS))
