"""The record of a backtest that was never played: two policies beside never retraining."""

from workbench.backtest_result import BacktestResult, Course, PeriodScore, Recovered, Step

START, MIDDLE, END = (f"2026-0{month}-01T00:00:00.000000Z" for month in (1, 2, 3))


def a_course(name, kind, value, **fields):
    periods = (
        PeriodScore(start=START, end=MIDDLE, rows=100, labelled=90, value=value - 1, interval=(value - 2, value)),
        PeriodScore(start=MIDDLE, end=END, rows=100, labelled=80, value=value + 1),
    )
    told = {"interval": None, "rows": 200, "unanswered": 0, "fits": 3, "fit_s": 1.0} | fields
    return Course(name=name, kind=kind, value=value, over_time=periods, **told)


def a_result(**fields):
    won = Recovered(
        sentence="0.81 of <what> could be won",
        won=2.0,
        won_interval=(1.0, 3.0),
        recoverable=2.5,
        recoverable_interval=(2.0, 3.0),
        share=0.81,
        interval=(0.5, 1.1),
    )
    steps = (
        Step(at=START, kind="alarm", version="first", reason="mae 9 <was> 5"),
        Step(at=MIDDLE, kind="refused", version=None, reason="cooling down"),
        Step(at=MIDDLE, kind="promoted", version="b", reason="better"),
    )
    tried = a_course("min_loss=0.2", "policy", 5.0, attempts=3, promotions=2, steps=steps, recovered=won)
    never = a_course("never retrain", "never", 9.0)
    told = {
        "id": "20260301T000000-a",
        "made_at": END,
        "source": "trips.csv",
        "delay": "1D",
        "model": "trips",
        "task": "regression",
        "target": "minutes",
        "metric": "mae",
        "ensemble": "voting",
        "reference_rows": 50,
        "rows": 200,
        "labelled": 170,
        "scored": 170,
        "start": START,
        "end": END,
        "period": "31D",
        "look_rows": 50,
        "took_s": 12.0,
        "courses": (tried, a_course("in force", "policy", 6.0, attempts=1, recovered=won), never),
        "undominated": ("min_loss=0.2",),
        "chosen": "min_loss=0.2",
    }
    return BacktestResult(**(told | fields))
