"""The state machine of maintenance driven through arbitrary histories: hypothesis decides what happens, the governor
decides what is done, and a pointer on disk is really moved."""

import shutil
import tempfile
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import settings as how
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.conftest import Clock
from tests.evaluations import evaluation
from workbench.live_pointer import LivePointer
from workbench.moments import parse_utc, utc_text
from workbench.policy import (
    ATTEMPT,
    GATING,
    LOST,
    PASSED,
    ROLLED_BACK,
    STUCK,
    WENT_BACK,
    Material,
    decide,
    lost_on_probation,
    on_probation,
    standing,
)
from workbench.records import Event
from workbench.sections import RetrainSettings
from workbench.steering import steering

POLICY = RetrainSettings(checks_in_a_row=2, cooldown_s=3600, max_attempts_a_day=3, min_new_rows=100, every_days=2)


class Maintenance(RuleBasedStateMachine):
    """A workspace without models: checks, attempts, switches and what people do."""

    def __init__(self):
        super().__init__()
        self.clock = Clock()
        self.folder = Path(tempfile.mkdtemp())
        self.pointer = LivePointer(self.folder, clock=self.clock)
        self.events, self.checks, self.made = [], [], 0
        self.running, self.rows, self.data = False, 0, 0

    def teardown(self):
        shutil.rmtree(self.folder)

    def tell(self, kind, version=None, **data):
        at = utc_text(self.clock.now)
        self.events.append(Event(kind=kind, reason="", version=version, recorded_at=at, data=data))

    def switch(self, kind, version, **data):
        promotion = self.pointer.switch(version, by="test", reason=kind)
        self.tell(kind, version, previous=promotion.previous, generation=promotion.generation, **data)
        self.checks = []

    @property
    def hold(self):
        return steering(self.events, self.pointer.read().version_id).hold

    @property
    def now(self):
        return standing(
            self.events,
            self.pointer.read(),
            POLICY,
            now=self.clock.now,
            running=self.running,
            hold=self.hold,
        )

    @initialize()
    def first(self):
        self.switch("promoted", "v0")

    @rule(seconds=st.sampled_from([1, 60, 1800, 3600, 40_000, 90_000]))
    def time_passes(self, seconds):
        self.clock.forward(seconds=seconds)

    @rule(n=st.sampled_from([1, 50, 500]))
    def labels_come(self, n):
        self.rows, self.data = self.rows + n, self.data + 1

    @rule(alarm=st.sampled_from(["", "drift", "performance", "data", "service"]))
    def look(self, alarm):
        """A check, and what the governor makes of it."""
        self.clock.forward(seconds=1)
        self.checks.append(evaluation(self.clock.now, *filter(None, [alarm])))
        before = self.now
        decision = decide(
            self.checks,
            self.events,
            POLICY,
            now=self.clock.now,
            live=self.pointer.read(),
            material=Material(new_rows=self.rows, base="b", fingerprint=str(self.data)),
            running=self.running,
            hold=self.hold,
        )
        assert decision.action == "wait" or decision.trigger
        if decision.action == "retrain":
            assert before.phase == "steady"
            assert not on_probation(self.events, self.pointer.read())
            assert alarm != "data"
            self.begin()

    @rule(alarm=st.sampled_from(["drift", "performance"]), news=st.booleans(), over=st.booleans())
    def an_alarm_stands(self, alarm, news, over):
        """The usual way to an attempt, and often its end, so that histories of many attempts come up."""
        if over:
            self.running = False
            self.clock.forward(seconds=1800)
        self.rows, self.data = 500, self.data + news
        for _ in range(POLICY.checks_in_a_row):
            self.look(alarm)

    def begin(self):
        self.tell(ATTEMPT, fingerprint=str(self.data), base="b")
        self.running, self.rows = True, 0

    @rule(
        end=st.sampled_from(["promoted", "kept_out", WENT_BACK, "retrain_failed", "died", GATING]),
        pick=st.integers(0, 9),
    )
    def the_attempt_goes_on(self, end, pick):
        if not self.running:
            return
        self.clock.forward(seconds=1)
        if end == GATING:
            self.tell(GATING)
            return
        self.running = False
        live = self.pointer.read().version_id
        old = [v for v in dict.fromkeys(p.version_id for p in self.pointer.log()) if v != live]
        old = [v for v in old if v not in lost_on_probation(self.events)]
        if self.hold is not None and end in ("promoted", WENT_BACK):
            end = "kept_out"
        if end == "promoted":
            self.made += 1
            self.switch("promoted", f"v{self.made}")
        elif end == WENT_BACK and old:
            self.switch(WENT_BACK, old[pick % len(old)])
        elif end in ("kept_out", "retrain_failed"):
            self.tell(end)

    @rule(end=st.sampled_from(["passed", "rolled back", "rolled back and cut off", "stuck"]))
    def probation_ends(self, end):
        live = self.pointer.read()
        if self.hold is not None or not on_probation(self.events, live):
            return
        self.clock.forward(seconds=1)
        about = {"generation": live.generation, "previous": live.previous}
        if end == "passed":
            self.tell(PASSED, live.version_id, **about)
        elif end == "stuck" or live.previous in lost_on_probation(self.events):
            self.tell(STUCK, live.version_id, **about)
        else:
            self.tell(LOST, live.version_id, **about)
            if end == "rolled back":
                self.switch(ROLLED_BACK, live.previous)
            else:
                self.pointer.switch(live.previous, by="test", reason=end)
                self.checks = []

    @rule()
    def a_switch_is_cut_off(self):
        """One whose process died before it told of it."""
        self.made += 1
        self.pointer.switch(f"v{self.made}", by="test", reason="cut off")
        self.checks = []

    @rule(kind=st.sampled_from(["paused", "resumed", "unpinned"]))
    def people_steer(self, kind):
        self.tell(kind)

    @rule()
    def people_pin(self):
        self.tell("pinned", self.pointer.read().version_id)

    @invariant()
    def never_two_attempts_inside_the_cooldown_nor_too_many_a_day_nor_of_the_same_data(self):
        told = [e for e in self.events if e.kind == ATTEMPT]
        times = [parse_utc(e.recorded_at) for e in told]
        assert all(b - a >= timedelta(seconds=POLICY.cooldown_s) for a, b in pairwise(times))
        for last in times:
            assert sum(last - timedelta(days=1) < t <= last for t in times) <= POLICY.max_attempts_a_day
        assert len({e.data["fingerprint"] for e in told}) == len(told)

    @invariant()
    def a_version_that_lost_on_probation_is_not_live(self):
        live = self.pointer.read()
        assert live is None or live.version_id not in lost_on_probation(self.events)

    @invariant()
    def the_pointer_is_whole_and_the_log_agrees(self):
        live = self.pointer.read()
        if live is not None:
            assert self.pointer.log()[-1].version_id == live.version_id
            assert self.pointer.live_at(self.clock.now) == live.version_id

    @invariant()
    def every_phase_has_a_way_out(self):
        """Once people let go, the attempt ends, the switch is judged and time passes, an alarm is acted on again."""
        live = self.pointer.read()
        if live is None:
            return
        later = self.clock.now + timedelta(days=2)
        at = utc_text(later)
        let_go = [Event(kind=k, reason="", recorded_at=at) for k in ("resumed", "unpinned")]
        passed = Event(kind=PASSED, reason="", recorded_at=at, data={"generation": live.generation})
        decision = decide(
            [evaluation(later, "drift"), evaluation(later + timedelta(seconds=1), "drift")],
            [*self.events, *let_go, passed],
            POLICY,
            now=later + timedelta(seconds=2),
            live=live,
            material=Material(new_rows=500, base="b", fingerprint="new"),
        )
        assert decision.action == "retrain", decision


TestMaintenance = pytest.mark.filterwarnings("ignore")(Maintenance.TestCase)
TestMaintenance.settings = how(max_examples=100, stateful_step_count=40, deadline=None)
