"""`backtest` and `suggest`: a policy, or several, tried on a labelled history."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.show import Aside, Json, number, print_json, print_table, step_aside, when
from workbench.errors import SettingsError

if TYPE_CHECKING:
    from workbench.backtest_result import BacktestResult, Course
    from workbench.settings import Settings

Data = Annotated[str | None, typer.Option(help="CSV or Parquet file with the whole history; default: [backtest] data.")]
Files = Annotated[
    list[str] | None,
    typer.Option("--settings", help="A policy: a file laid over workbench.toml, or a whole one; may be repeated."),
]
Grid = Annotated[
    list[str] | None,
    typer.Option(help="Values of a key to set side by side: performance.min_loss=0.05,0.1; may be repeated."),
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Begin anew, even where one was stopped.")]
Workers = Annotated[int | None, typer.Option("--jobs", min=1, help="Processes; default: one a core.")]
STEPS_SHOWN = 40


def register(app: typer.Typer) -> None:
    for command in (backtest, suggest):
        app.command()(command)


def backtest(
    context: typer.Context,
    data: Data = None,
    settings: Files = None,
    grid: Grid = None,
    fresh: Fresh = False,
    jobs: Workers = None,
    as_json: Json = False,
    aside: Aside = False,
) -> None:
    """Had this policy been on, what would it have done, and would it have helped? Exit code 1 if it did harm.

    Beside never retraining and retraining every period. A run that was stopped goes on when it is called again.
    """
    if aside:
        step_aside()
    result = _run(context, data, settings, grid, fresh, jobs)
    figure = _figures(result, context)
    if as_json:
        print_json(result)
    else:
        _print(result, figure)
    if any(c.recovered and c.recovered.won_interval and c.recovered.won_interval[1] < 0 for c in result.policies):
        raise typer.Exit(1)


def suggest(
    context: typer.Context,
    data: Data = None,
    grid: Grid = None,
    fresh: Fresh = False,
    jobs: Workers = None,
    as_json: Json = False,
) -> None:
    """Try a grid of thresholds on the history, and print those one would pick, and what they cost."""
    from workbench.policies import USUAL_GRID

    told = grid or [f"{key}={','.join(map(str, values))}" for key, values in USUAL_GRID.items()]
    result = _run(context, data, None, told, fresh, jobs)
    figure = _figures(result, context)
    if as_json:
        print_json(result)
        return
    _print_compared(result, figure)
    if result.chosen is None:
        return
    pick = result.course(result.chosen)
    print(f"suggested: {pick.name}")
    sections: dict[str, list[str]] = {}
    for key, value in pick.settings.items():
        section, _, name = key.partition(".")
        sections.setdefault(section, []).append(f"{name} = {json.dumps(value)}")
    if not sections:
        print("  as the settings have it already")
    for section, lines in sections.items():
        print("\n".join([f"  [{section}]", *(f"  {line}" for line in lines)]))
    print(f"it costs {_cost(pick)}; {pick.recovered.sentence if pick.recovered else ''}")


def _run(
    context: typer.Context,
    data: str | None,
    files: list[str] | None,
    axes: list[str] | None,
    fresh: bool,
    jobs: int | None,
) -> BacktestResult:
    import logging

    from workbench.backtest import Backtest
    from workbench.bars import Bar
    from workbench.policies import axis, from_files, grid, yardstick
    from workbench.settings import find_root, load_settings

    logging.basicConfig(level=logging.ERROR)
    if files and axes:
        raise SettingsError("--settings and --grid do not go together: name files, or values of keys")
    if data is not None and ":" in data and not Path(data).exists():
        raise SettingsError(f"--data={data!r}: a function can be named in workbench.toml only ([backtest] data)")
    root = find_root(context.obj)
    policies: dict[str, Settings] | None = None
    if files:
        policies = from_files(root, files)
        workspace = yardstick(root, policies)
    else:
        workspace = load_settings(context.obj)
    if axes:
        told = dict(map(axis, axes))
        if len(told) < len(axes):
            raise SettingsError("--grid names a key twice; write all its values behind one")
        policies = grid(workspace, told)
    test = Backtest(workspace, data=data, policies=policies, jobs=jobs)
    # A few seconds of silence is how long the first training takes.
    with Bar("backtest", unit=" rows") as bar:
        return test.run(bar.to, fresh=fresh, alone=True)


def _figures(result: BacktestResult, context: typer.Context) -> Path | None:
    """The pictures beside the record; None without matplotlib, which the `lab` extra brings."""
    from importlib.util import find_spec

    if find_spec("matplotlib") is None:
        return None
    from workbench.backtest_plots import compared, over_time
    from workbench.plots import svg
    from workbench.settings import find_root

    folder = find_root(context.obj) / "metrics" / "backtests"
    path = folder / f"{result.id}.svg"
    path.write_text(svg(over_time(result), f"{result.metric} of each course over event time"), encoding="utf-8")
    if len(result.policies) > 1:
        picture = svg(compared(result), "policies: what each won against its attempts")
        path.with_stem(f"{result.id}-policies").write_text(picture, encoding="utf-8")
    return path


def _print(result: BacktestResult, figure: Path | None) -> None:
    periods = result.courses[0].over_time
    print_table(
        f"{result.metric} of {result.model} over {result.scored} actuals, {when(result.start)} to {when(result.end)}; "
        f"the first version learnt {result.reference_rows} rows; {result.source}; "
        f"{result.ensemble}; labels: {result.delay}",
        ["from", "rows", *(c.name for c in result.courses)],
        [
            *(
                (p.start[:10], p.rows, *(number(c.over_time[k].value) for c in result.courses))
                for k, p in enumerate(periods)
            ),
            ("all", result.rows, *(_value(c) for c in result.courses)),
        ],
    )
    print_table(
        "what was done",
        ["course", "alarms", "attempts", "promoted", "went back", "kept out", "refused", "rolled back", "training"],
        (
            (
                c.name,
                c.alarms,
                c.attempts,
                c.promotions,
                c.went_back,
                c.kept_out,
                c.refusals,
                c.rollbacks,
                f"{c.fits} fits, {c.fit_s:.0f} s",
            )
            for c in result.courses
        ),
    )
    if len(result.policies) == 1:
        steps = result.policies[0].steps
        if steps:
            print_table(
                "when and why" + (f" (the first {STEPS_SHOWN} of {len(steps)})" if len(steps) > STEPS_SHOWN else ""),
                ["event time", "what", "version", "why"],
                ((when(s.at), s.kind.replace("_", " "), s.version, s.reason) for s in steps[:STEPS_SHOWN]),
            )
        else:
            print(f"{result.policies[0].name}: nothing was in alarm, and nothing was done")
    else:
        _print_compared(result, figure)
    for course in result.policies:
        if course.recovered:
            print(f"{course.name}: {course.recovered.sentence}")
    told = f"; figure: {figure}" if figure else ""
    print(f"{result.took_s:.0f} s; {result.note}; record: {result.id}{told}")


def _print_compared(result: BacktestResult, figure: Path | None) -> None:
    print_table(
        f"policies (* no other is better without costing more; figure: {figure or 'needs matplotlib'})",
        ["", "policy", result.metric, "recovered", "with any one period left out", "attempts", "promoted", "training"],
        (
            (
                "*" if c.name in result.undominated else "",
                c.name + (" (one would pick this)" if c.name == result.chosen else ""),
                _value(c),
                _share(c),
                _left_out(c),
                c.attempts,
                c.promotions,
                f"{c.fit_s:.0f} s",
            )
            for c in sorted(result.policies, key=lambda c: c.attempts)
        ),
    )
    if result.honest:
        print(result.honest)


def _value(course: Course) -> str:
    bounds = f" ({number(course.interval[0], 3)} to {number(course.interval[1], 3)})" if course.interval else ""
    return number(course.value) + bounds


def _share(course: Course) -> str:
    told = course.recovered
    if told is None or told.share is None:
        return "nothing to recover" if told else "-"
    return f"{told.share:z.0%}" + (f" ({told.interval[0]:z.0%} to {told.interval[1]:z.0%})" if told.interval else "")


def _left_out(course: Course) -> str:
    told = course.recovered
    # Where nothing was to be recovered, shares of it are noise.
    kept = [v for v in told.without.values() if v is not None] if told and told.share is not None else []
    return f"{min(kept):z.0%} to {max(kept):z.0%}" if kept else "-"


def _cost(course: Course) -> str:
    return f"{course.attempts} attempts, {course.fits} fits, {course.fit_s:.0f} s of training"
