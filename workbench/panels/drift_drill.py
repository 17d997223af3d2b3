"""The fire drill from a page: the command line puts a chosen shift into a copy of the window and tells its verdict."""

from __future__ import annotations

import ipywidgets as W
import msgspec
import traitlets as t

from workbench.drill_result import Drill
from workbench.evaluation import FeatureProfile
from workbench.panels.base import Markup, row, table, tag, verdict, visible
from workbench.panels.commands import Result
from workbench.panels.deed import failed
from workbench.panels.desk import Desk
from workbench.panels.drift_feature import offer
from workbench.panels.drift_records import Records
from workbench.panels.view import View
from workbench.shifts import SIZES, Kind, default_kind, default_size

TOLD: dict[Kind, str] = {
    "mean": "shift the mean",
    "std": "widen the spread",
    "missing": "lose values",
    "unseen": "put in unseen values",
    "constant": "let it stand still",
    "unit": "change the unit",
}
# What suits numbers, and what suits texts.
NUMBERS: tuple[Kind, ...] = ("mean", "std", "missing", "constant", "unit")
TEXTS: tuple[Kind, ...] = ("unseen", "missing", "constant")


class FireDrill(W.VBox):
    """Would the alarm have fired? It changes nothing, but costs a processor for a while: so a locked page has none.

    Parameters
    ----------
    desk : Desk
    records : Records
    """

    # What came of the last drill.
    result = t.Instance(Drill, allow_none=True)

    def __init__(self, desk: Desk, records: Records) -> None:
        self.records, self.deed = records, desk.deed()
        self.choice = W.Dropdown(description="Input", options=())
        self.kind = W.Dropdown(description="Shift", options=())
        self.size = W.FloatText(description="Size", step=0.1, continuous_update=False)
        self.unit = W.HTML().add_class("wb-beside")
        self.start = W.Button(description="Fire drill", icon="fire")
        self.verdict = W.HTML()
        self.closed = W.HTML(
            tag("p", "Unlock the page to hold a fire drill: it takes a processor for a while.", "wb-quiet")
        )
        heading = W.HTML(tag("h3", "Would the alarm have fired?"))
        self.controls = row(self.choice, self.kind, self.size, self.unit, self.start)
        super().__init__([heading, self.closed, self.controls, self.deed, self.verdict])
        self.profile: dict[str, FeatureProfile] = {}
        self.choice.observe(lambda _: self._offer_kinds(), "value")
        self.kind.observe(lambda _: self._suggest_size(), "value")
        self.start.on_click(lambda _: self._start())
        self.observe(lambda _: self._draw(), "result")
        desk.lock.observe(lambda _: self._arrange(), "locked")
        self.deed.observe(lambda _: self._arrange(), "running")
        self._arrange()

    def _arrange(self) -> None:
        visible(self.controls, not self.deed.lock.locked)
        visible(self.closed, self.deed.lock.locked)
        self.start.disabled = self.deed.busy or not self.choice.options

    def show(self, view: View) -> None:
        """Offer the live version's inputs."""
        profile = self.records.profile(view.live.version_id) if view.live else {}
        if list(profile) != list(self.profile):
            self.profile = profile
            offer(self.choice, [(name, name) for name in profile])
            self._arrange()

    def _offer_kinds(self) -> None:
        profile = self.profile.get(self.choice.value or "")
        if profile is not None:
            usual = default_kind(profile)
            kinds = TEXTS if profile.kind == "categorical" else NUMBERS
            offer(self.kind, [(TOLD[k], k) for k in sorted(kinds, key=lambda k: k != usual)])

    def _suggest_size(self) -> None:
        if self.kind.value is not None:
            self.size.value, self.unit.value = default_size(self.kind.value), tag("span", SIZES[self.kind.value][2])

    def _start(self) -> None:
        words = [f"--kind={self.kind.value}", f"--size={self.size.value:g}", "--json", "--", str(self.choice.value)]
        if not self.deed.refused() and not self.deed.busy:
            self.result = None
            self.deed.start(self._told, "drill", *words)
            self.deed.say(f"● {self.choice.value}: the drill is under way")

    def _told(self, result: Result) -> None:
        # 1 is how the command line says that the alarm did not fire.
        if result.code not in (0, 1) or not result.output.startswith("{"):
            self.deed.say(failed(result))
            return
        self.result = msgspec.json.decode(result.output, type=Drill)

    def _draw(self) -> None:
        drill = self.result
        self.verdict.value = outcome(drill) if drill else ""
        if drill:
            fired = f"▲ it would have fired ({', '.join(drill.alarms)})" if drill.fired else "✗ it would NOT have fired"
            self.deed.say(f"{fired}: {drill.sentence}")


def outcome(drill: Drill) -> Markup:
    """What came of a drill, as a table."""
    smallest = "none tried is" if drill.smallest is None else f"{drill.smallest:.3g} {drill.unit}"
    measured = f"{drill.false_alarms} of {drill.rounds} stretches of the reference"
    interval = f"{drill.rate_low:.1%} to {drill.rate_high:.1%}; asked for: {drill.asked_rate:.2%}"
    rows = [
        ("put in", f"{drill.kind} {drill.size:g} {drill.unit}, into {drill.n:,} predictions"),
        ("before", verdict(drill.before)),
        ("then", verdict(drill.state)),
        (f"smallest shift found in {drill.found:.0%} of windows", smallest),
        ("false alarms, measured", f"{measured} (95 %: {interval})"),
    ]
    return tag("div", table(f"fire drill: {drill.feature}", ["", ""], rows, css=["wb-some"]), "wb-narrow")
