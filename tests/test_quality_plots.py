"""What the pictures of answers beside actuals hold, read back through their artists."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, roc_auc_score

from workbench.plot_style import svg
from workbench.quality_plots import classification, regression
from workbench.scores import Sample


def classified(k=2, n=400, seed=0, names="abcdefghijkl"):
    rng = np.random.default_rng(seed)
    true = rng.integers(0, k, n)
    chances = rng.dirichlet(np.ones(k), n)
    chances[np.arange(n), true] += 0.7
    chances /= chances.sum(1, keepdims=True)
    return Sample("classification", true, chances.argmax(1), tuple(names[:k]), chances)


def texts(axes):
    return [t.get_text() for t in axes.texts]


def legend(axes):
    return [t.get_text() for t in axes.get_legend().get_texts()]


@pytest.mark.parametrize("width", [334, 1100])
def test_two_classes_have_counts_shares_one_curve_and_bins_with_their_rows(width):
    rows = classified()
    matrix, curve, reliability, below = classification(rows, width=width).axes
    counts = confusion_matrix(rows.y_true, rows.y_pred)
    assert texts(matrix) == [f"{n:,}\n{n / counts[i].sum():.1%}" for i in range(2) for n in counts[i]]
    assert [t.get_text() for t in matrix.get_xticklabels()] == ["a", "b"]
    area = roc_auc_score(rows.y_true, rows.chances[:, 1])
    assert legend(curve) == [f"b: area {area:.3f}"]
    assert curve.lines[-1].get_xydata()[[0, -1]].tolist() == [[0, 0], [1, 1]]
    assert reliability.get_title(loc="left") == "Calibration of b"
    assert sum(bar.get_height() for bar in below.patches) == 400


def test_more_classes_have_a_curve_each_and_the_calibration_of_what_was_answered():
    rows = classified(k=3)
    _, curve, reliability, _ = classification(rows).axes
    areas = [roc_auc_score(rows.y_true == i, rows.chances[:, i]) for i in range(3)]
    assert legend(curve) == [f"{name}: area {area:.3f}" for name, area in zip("abc", areas, strict=True)]
    assert len({line.get_linestyle() for line in curve.lines[1:]}) == 3
    assert reliability.get_title(loc="left") == "Calibration of the class answered"


def test_of_many_classes_the_rarest_are_one_and_the_commonest_have_curves():
    matrix, curve, *_ = classification(classified(k=12, n=2_000)).axes
    assert [t.get_text() for t in matrix.get_yticklabels()][-1] == "others"
    assert len(matrix.get_yticklabels()) == 8
    assert len(legend(curve)) == 5


def test_without_probabilities_the_counts_alone_are_drawn():
    rows = classified()
    text = svg(classification(Sample("classification", rows.y_true, rows.y_pred, rows.classes)), "x")
    assert "Confusion, 400 answers" in text
    assert text.count("not all answers came") == 2


def test_rows_of_one_class_have_no_curve_and_say_so():
    rows = classified().take(np.flatnonzero(classified().y_true == 1))
    assert "takes rows of two classes" in svg(classification(rows), "x")


@pytest.mark.parametrize("names", [["<b>", "$x$"], ["0" * 99, "1" * 99]])
def test_any_name_of_a_class_can_be_drawn(names):
    text = svg(classification(classified(names=names)), "x")
    assert "<b>" not in text
    assert "&lt;b&gt;" in text or "…" in text


def off(n, seed=0):
    rng = np.random.default_rng(seed)
    said = rng.uniform(0, 100, n)
    return Sample("regression", said - 5 - rng.normal(0, 0.1, n), said)


@pytest.mark.parametrize("width", [334, 1100])
def test_residuals_have_dots_a_median_and_a_histogram_on_one_scale(width):
    plane, side = regression(off(2_000), width=width).axes
    median = next(line for line in plane.lines if line.get_label() == "median")
    assert np.allclose(median.get_ydata(), 5, atol=0.1)
    assert side.get_title() == "mean +5"
    assert plane.get_ylim() == side.get_ylim()
    assert len(plane.patches[0].get_path()) == 2 * 500


def test_a_lone_outlier_does_not_flatten_the_rest():
    rows = off(2_000)
    rows.y_true[0] = -1e9
    assert regression(rows).axes[0].get_ylim()[1] < 10


@pytest.mark.parametrize("n", [1, 2, 19, 20])
def test_any_number_of_rows_can_be_drawn(n):
    for rows in (off(n), Sample("regression", np.ones(n), np.ones(n))):
        assert svg(regression(rows), "x").startswith("<svg")


def test_the_dots_reach_the_page():
    drawn = svg(regression(off(300)), "x")
    dots = next(part for part in drawn.split("<path ") if "stroke-linecap: round" in part)
    assert dots.count("M ") == 300
    assert dots.count("L ") >= 300


def test_without_rows_the_pictures_say_so():
    empty = np.zeros(0)
    assert "No answer has its actual yet" in svg(regression(Sample("regression", empty, empty)), "x")
    whole = empty.astype(int)
    assert "No answer has its actual yet" in svg(classification(Sample("classification", whole, whole)), "x")
