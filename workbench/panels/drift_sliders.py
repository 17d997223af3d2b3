"""Sliders for the window and the thresholds of drift: what would have alarmed at the stored checks, shown at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import ipywidgets as W
import traitlets as t

from workbench.drift_time_plots import alarms_over_time
from workbench.evaluation import DriftResult, Evaluation
from workbench.other_windows import evenly
from workbench.panels.base import Markup, half_width, row, said, table, tag
from workbench.panels.drift_records import MOST_ROWS, Records
from workbench.panels.view import View
from workbench.plot_style import svg
from workbench.records import ALARMING, State
from workbench.sections import BUDGET, DriftSettings
from workbench.settings import Settings
from workbench.show.sheet import clock

if TYPE_CHECKING:
    from workbench.rejudging import Measures

# Checks of which another window is measured: some 10 ms each.
CHECKS = 24
SIZES = (0.1, 0.2, 0.35, 0.5, 0.75, 1, 1.5, 2, 3)
LEAST_ROWS, LARGEST_WINDOW = 20, MOST_ROWS // 2
Looked = tuple[Evaluation, DriftResult]


def scaled(limits: DriftSettings, factor: float) -> DriftSettings:
    """The smallest effects that count, each so many times as large; a ratio's is how far it is from one.

    >>> scaled(DriftSettings(), 2).min_mean_shift, round(scaled(DriftSettings(), 2).min_std_ratio, 3)
    (0.2, 1.3)
    """
    return limits.model_copy(
        update={
            "min_mean_shift": limits.min_mean_shift * factor,
            "min_std_ratio": 1 + (limits.min_std_ratio - 1) * factor,
            "min_distance": limits.min_distance * factor,
            "min_missing_shift": limits.min_missing_shift * factor,
            "min_outside_share": limits.min_outside_share * factor,
        }
    )


class Sliders(W.VBox):
    """Nothing that is set here is kept: it asks what stored checks would have said.

    Parameters
    ----------
    settings : Settings
    records : Records
    """

    # The newest check, and what it found in the window that is looked at.
    newest = t.Any()
    # What would have alarmed, in words.
    sentence = t.Unicode()

    def __init__(self, settings: Settings, records: Records) -> None:
        self.settings, self.records = settings, records
        as_set = settings.monitor.window
        others = [round(as_set * share) for share in SIZES]
        sizes = sorted({as_set, *(size for size in others if LEAST_ROWS <= size <= LARGEST_WINDOW)})
        self.window = W.SelectionSlider(
            description="Window",
            options=[(f"{size:,}" + (" (as set)" if size == as_set else ""), size) for size in sizes],
            value=as_set,
            continuous_update=False,
        )
        self.rate = W.FloatLogSlider(
            description="False alarms",
            value=settings.monitor.false_alarm_rate,
            min=-6,
            max=-0.3,
            step=0.1,
            readout_format=".2g",
        )
        self.effect = W.FloatSlider(description="Smallest effect", value=1.0, min=0, max=8, step=0.1)
        self.back = W.Button(description="As set", icon="undo")
        self.limits, self.told, self.picture, self.table = W.HTML(), W.HTML(), W.HTML(), W.HTML()
        heading = W.HTML(tag("h3", "What would have alarmed?"))
        pictures = W.Box([self.picture, self.table]).add_class("wb-duo")
        controls = row(self.window, self.rate, self.effect, self.back)
        super().__init__([heading, controls, self.limits, self.told, pictures])
        self.view: View | None = None
        self.measures: Measures | None = None
        self._looked_at: list[Looked] = []
        self._drawn: object = None
        self._moving = False
        self.window.observe(lambda _: self._measure(), "value")
        for slider in (self.rate, self.effect):
            slider.observe(lambda _: self._draw(), "value")
        self.back.on_click(lambda _: self._as_set())

    @property
    def thresholds(self) -> tuple[DriftSettings, float]:
        """The smallest effects, and the rate of false alarms over everything that a check looks at."""
        return scaled(self.settings.drift, self.effect.value), min(self.rate.value, 1.0)

    def show(self, view: View) -> None:
        """Take up new checks; while another window is looked at, the checks stay those that were chosen for it."""
        fresh = self.view is None or self.view.checked != view.checked
        resized = self.view is None or self.view.width != view.width
        self.view = view
        if fresh and (self.window.value == self.settings.monitor.window or not self._looked_at):
            self._measure()
        elif resized:
            self._draw()

    def _as_set(self) -> None:
        self._moving = True
        self.rate.value, self.effect.value = self.settings.monitor.false_alarm_rate, 1.0
        self.window.value = self.settings.monitor.window
        self._moving = False
        self._measure()

    def _measure(self) -> None:
        """The scores of the checks, from their records or, of another window, from those of the predictions."""
        if self.view is None or self._moving:
            return
        looked = self._looked(self.view.evaluations)
        self._looked_at, self.measures = looked, None
        current = self.view.current
        # Where a window of this size is not on record, the one that was checked is shown.
        kept = (current, current.drift) if current else None
        self.newest = next((pair for pair in looked[-1:] if current and pair[0].id == current.id), kept)
        self._drawn = None
        self._draw()

    def _looked(self, evaluations: Sequence[Evaluation]) -> list[Looked]:
        size = self.window.value
        if size == self.settings.monitor.window or not evaluations:
            return [(e, e.drift) for e in evaluations]
        recorded = self.records.recorded(evaluations[-1], MOST_ROWS)
        able = [e for e in evaluations if recorded.window(e, size) is not None]
        how: dict[str, Any] = {
            "limits": self.settings.drift,
            "false_alarm_rate": self.settings.monitor.false_alarm_rate * BUDGET["drift"],
        }
        measured = ((e, recorded.measure(e, size, **how)) for e in evenly(able, CHECKS))
        return [(e, found) for e, found in measured if found is not None]

    def _judged(self) -> tuple[tuple[str, ...], list[list[State]]]:
        """The inputs, and the state of each at each check."""
        limits, rate = self.thresholds
        if self._as_recorded(limits, rate):
            names = tuple(dict.fromkeys(f.feature for _, found in self._looked_at for f in found.features))
            told = [{f.feature: f.state for f in found.features} for _, found in self._looked_at]
            return names, [[states.get(name, "ok") for name in names] for states in told]
        # Here, and not above: until somebody moves a slider, a page needs no scipy.
        from workbench.rejudging import gather, judge

        if self.measures is None:
            self.measures = gather(
                [found for _, found in self._looked_at], [check.model.impacts for check, _ in self._looked_at]
            )
        return self.measures.features, judge(self.measures, limits, rate * BUDGET["drift"]).tolist()

    def _as_recorded(self, limits: DriftSettings, rate: float) -> bool:
        """Whether the checks were made with these very thresholds, and their windows."""
        same = {"drift": limits.model_dump(), "false_alarm_rate": rate}
        return self.window.value == self.settings.monitor.window and all(
            all(check.thresholds.get(name) == value for name, value in same.items()) for check, _ in self._looked_at
        )

    def _draw(self) -> None:
        if self.view is None or self._moving:
            return
        limits, rate = self.thresholds
        key = rate, self.effect.value, half_width(self.view)
        if key == self._drawn:
            return
        names, states = self._judged()
        checks = [check for check, _ in self._looked_at]
        would = _alarms(checks, names, states)
        alarmed = [{f.feature for f in check.drift.features if f.state in ALARMING} for check in checks]
        did = {name: [c for c, told in zip(checks, alarmed, strict=True) if name in told] for name in names}
        self.limits.value = tag("p", _limits(limits, rate), "wb-quiet wb-note")
        self.sentence = _sentence(would, len(checks), len(self.view.evaluations))
        self.told.value = said(self.sentence)
        drawn = alarms_over_time(checks, names, states, width=half_width(self.view))
        self.picture.value = svg(drawn, f"Alarms over time. {self.sentence}.")
        self.table.value = _table(would, did)
        self._drawn = key


def _alarms(
    checks: Sequence[Evaluation], features: Sequence[str], states: Sequence[Sequence[State]]
) -> dict[str, list[Evaluation]]:
    """The checks at which each input would alarm."""
    return {
        name: [check for check, row in zip(checks, states, strict=True) if row[i] in ALARMING]
        for i, name in enumerate(features)
    }


def _limits(limits: DriftSettings, rate: float) -> str:
    return (
        f"One false alarm in {1 / rate:,.0f} windows; an effect counts from {limits.min_mean_shift:.2g} sd of the "
        f"mean, a spread of {limits.min_std_ratio:.3g} times, a distance of {limits.min_distance:.2g}, "
        f"{limits.min_missing_shift:.1%} more or fewer missing, {limits.min_outside_share:.1%} unseen or out of range"
    )


def _sentence(would: dict[str, list[Evaluation]], checks: int, stored: int) -> str:
    looked = f"{checks} checks" + (f" ({stored} are stored)" if checks < stored else "")
    if not checks:
        return f"· no check has a window of this size on record ({stored} are stored)"
    named = sorted((name for name in would if would[name]), key=lambda name: len(would[name]), reverse=True)
    if not named:
        return f"✓ no input would have alarmed at {looked}"
    alarmed = len({check.id for name in named for check in would[name]})
    most = ", ".join(f"{name} at {len(would[name])}" for name in named[:5])
    more = f" and {len(named) - 5} more inputs" if len(named) > 5 else ""
    return f"▲ an alarm at {alarmed} of {looked}: {most}{more}"


def _table(would: dict[str, list[Evaluation]], did: dict[str, list[Evaluation]]) -> Markup:
    named = sorted(
        (name for name in would if would[name] or did[name]), key=lambda n: (len(would[n]), len(did[n])), reverse=True
    )
    if not named:
        return Markup("")
    rows = [
        (name, len(would[name]), len(did[name]), _moment(would[name][:1]), _moment(would[name][-1:])) for name in named
    ]
    head = ["input", "would alarm", "did", "first", "last"]
    return table(
        "at how many checks; the newest row (event time) of the first and the last of them",
        head,
        rows,
        css=["wb-name", "", "", "wb-nowrap", "wb-nowrap"],
    )


def _moment(checks: Sequence[Evaluation]) -> str:
    return clock(checks[0].last_event_time or "") if checks else "–"
