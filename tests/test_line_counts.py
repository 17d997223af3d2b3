"""Lines counted as they are appended, without reading them twice."""

import pytest

from workbench.line_counts import LineCount
from workbench.metrics_store import MetricsStore
from workbench.records import Prediction


@pytest.fixture
def count(tmp_path):
    return LineCount(tmp_path)


def test_a_folder_that_is_not_there_has_no_lines(tmp_path):
    assert LineCount(tmp_path / "none").now() == 0


def test_lines_are_counted_as_they_come_and_half_a_line_is_none(count, tmp_path):
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    first.write_text("1\n2\n")
    assert count.now() == 2
    second.write_text("1\n2")
    with open(first, "a") as file:
        file.write("3\n")
    assert count.now() == 4
    with open(second, "a") as file:
        file.write("\n")
    assert count.now() == 5


def test_a_segment_that_is_deleted_cut_or_replaced_is_counted_anew(count, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("1\n" * 9)
    assert count.now() == 9
    path.write_text("1\n")
    assert count.now() == 1
    other = tmp_path / "other"
    other.write_text("1\n" * 5)
    other.replace(path)
    assert count.now() == 5
    path.unlink()
    assert count.now() == 0


def test_a_store_counts_its_predictions_up_to_its_history(tmp_path):
    store = MetricsStore(tmp_path, window=2, history=5)
    made = [Prediction(version="a", inputs={"x": 1.0}, output=1.0, response_s=0.1, event_time="") for _ in range(7)]
    store.append(*made[:3])
    assert store.count() == 3
    store.append(*made[3:])
    assert store.count() == 5
    store.close()
