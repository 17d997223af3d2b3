"""What thinning leaves of old evaluations."""

from datetime import timedelta

import msgspec
import pytest

from tests.conftest import NOON
from tests.evaluations import evaluation
from workbench.evaluation import Evaluation
from workbench.pruning import records, thin_evaluations

FAR = ("9999", "")


@pytest.fixture
def thinned(tmp_path):
    """The minutes that are left of checks at these minutes past noon, alarmed or not."""

    def left(*checks: tuple[int, bool]) -> list[int]:
        path = tmp_path / "evaluations.jsonl"
        written = [
            msgspec.structs.replace(
                evaluation(NOON + timedelta(minutes=minute), *(["drift"] if alarmed else [])), id=f"e-{place}"
            )
            for place, (minute, alarmed) in enumerate(checks)
        ]
        path.write_bytes(b"".join(msgspec.json.encode(e) + b"\n" for e in written))
        fewer = thin_evaluations(tmp_path, FAR)
        kept = list(records(path, Evaluation))
        assert fewer == (len(kept) < len(written))
        minutes = {e.id: minute for e, (minute, _) in zip(written, checks, strict=True)}
        return [minutes[e.id] for e in kept]

    return left


def test_the_first_check_of_each_hour_stays(thinned):
    assert thinned((0, False), (10, False), (59, False), (60, False), (61, False), (200, False)) == [0, 60, 200]


def test_the_first_check_of_a_run_of_alarms_stays(thinned):
    assert thinned((0, False), (10, False), (20, True), (30, True), (40, False)) == [0, 20]


def test_a_second_run_of_alarms_within_the_hour_stays_too(thinned):
    assert thinned((0, False), (10, True), (20, False), (30, True), (40, True), (50, False)) == [0, 10, 30]


def test_a_run_that_goes_on_into_the_next_hour_is_one_run(thinned):
    assert thinned((50, True), (55, True), (60, True), (70, True), (80, False), (90, True)) == [50, 60, 90]


def test_what_cannot_be_thinned_is_left_alone(thinned):
    assert thinned((0, False), (60, True)) == [0, 60]
