"""One feature's window beside its reference, read back through the bars and the SVG text."""

import msgspec

from workbench.distribution_plots import feature_distribution
from workbench.evaluation import FeatureDrift, FeatureProfile
from workbench.plot_style import svg

MOVED = FeatureDrift(
    feature="x",
    kind="numeric",
    state="ok",
    sentence="x: moved",
    n=10,
    missing_share=0,
    reference_missing_share=0.2,
)


def numbers(bins, cells=(5, 5, 10)):
    profile = FeatureProfile(name="x", kind="numeric", n=20, missing_share=0, edges=(1.0, 2.5), cells=cells)
    return feature_distribution(with_bins(MOVED, bins), profile)


def with_bins(feature, bins):
    return msgspec.structs.replace(feature, bins=bins)


def test_a_window_of_numbers_is_drawn_over_the_cells_of_its_reference():
    figure = numbers((0.0, 0.1, 0.9))
    reference, window = (patch.get_data().values.tolist() for patch in figure.axes[0].patches)
    assert (reference, window) == ([0.25, 0.25, 0.5], [0.0, 0.1, 0.9])
    text = svg(figure, "x")
    assert "≤ 1<" in text
    assert "&gt; 2.5<" in text
    assert "✓ x: moved" in text


def test_a_category_that_the_reference_lacks_is_named_as_unseen():
    profile = FeatureProfile(
        name="x", kind="categorical", n=10, missing_share=0, shares={"a": 0.7, "b": 0.2, "c": 0.1}, cells=(7, 2, 1)
    )
    feature = msgspec.structs.replace(
        MOVED, kind="categorical", shares={"a": 0.5, "new": 0.5}, reference_shares={"a": 0.7}
    )
    figure = feature_distribution(feature, profile)
    text = svg(figure, "x")
    assert [bar.get_width() for bar in figure.axes[0].patches] == [0.7, 0.0, 0.5, 0.5]
    assert "new ▲ unseen" in text
    assert "2 rarer ones not shown" in text


def test_truth_has_two_bars():
    profile = FeatureProfile(name="x", kind="boolean", n=10, missing_share=0, mean=0.25)
    feature = msgspec.structs.replace(MOVED, kind="boolean", mean=0.5)
    bars = feature_distribution(feature, profile).axes[0].patches
    assert [bar.get_width() for bar in bars] == [0.75, 0.25, 0.5, 0.5]


def test_a_comparison_that_kept_no_shares_shows_its_sentence():
    assert "x: moved" in svg(numbers(()), "x")
    assert "x: moved" in svg(numbers((0.0, 0.0, 0.0)), "x")
