"""One input, picked: the window beside the reference, and its score over time inside the band that chance leaves."""

from __future__ import annotations

from collections.abc import Sequence

import ipywidgets as W
import numpy as np

from workbench.distribution_plots import feature_distribution
from workbench.drift_time_plots import SCORES, score_over_time
from workbench.evaluation import DriftResult, Evaluation, FeatureDrift, FeatureProfile, Impact
from workbench.panels.base import Markup, half_width, row, table, tag, visible
from workbench.panels.drift_records import Records
from workbench.panels.view import View
from workbench.plot_style import svg
from workbench.show.sheet import STATES, number
from workbench.usual import SHAPE, of_profile

DECIDES = "the one that decides"


def by_impact(features: Sequence[FeatureDrift], impacts: Sequence[Impact]) -> list[FeatureDrift]:
    """The features whose move moves the predictions most first, then those furthest beyond chance."""
    moved = {i.feature: i.moved for i in impacts}
    return sorted(features, key=lambda f: (-moved.get(f.feature, -1.0), -_noise(f)))


def offer(choice: W.Dropdown, options: Sequence[tuple[str, str]]) -> None:
    """Change what can be chosen; what was chosen stays chosen where it can be, else it is the first."""
    if tuple(choice.options) == tuple(options):
        return
    kept = choice.value
    choice.options = tuple(options)
    values = [value for _, value in options]
    if values:
        choice.value = kept if kept in values else values[0]


class FeaturePicker(W.VBox):
    """Choose an input and one of its scores; both pictures follow.

    Parameters
    ----------
    records : Records
    """

    def __init__(self, records: Records) -> None:
        self.records = records
        self.choice = W.Dropdown(description="Input", options=())
        self.score = W.Dropdown(description="Score", options=((DECIDES, ""),))
        self.window, self.figures, self.over_time = W.HTML(), W.HTML(), W.HTML()
        pictures = W.Box([self.window, self.over_time]).add_class("wb-duo")
        super().__init__([row(self.choice, self.score), pictures, self.figures])
        self.view: View | None = None
        self.looked: tuple[Evaluation, DriftResult] | None = None
        self._offering = False
        self._drawn: object = None
        self.choice.observe(lambda _: self._draw(), "value")
        self.score.observe(lambda _: self._draw(), "value")

    def show(self, view: View, looked: tuple[Evaluation, DriftResult] | None) -> None:
        """Draw what has changed.

        Parameters
        ----------
        looked : a check and what it found, or would have found in a window of another size
        """
        self.view, self.looked = view, looked
        visible(self, looked is not None and len(looked[1].features) > 0)
        if looked is not None:
            self._offering = True
            offer(self.choice, _options(looked[1].features, looked[0].model.impacts))
            self._offering = False
        self._draw()

    @property
    def feature(self) -> FeatureDrift | None:
        """The chosen input, as the window has it."""
        features = self.looked[1].features if self.looked else ()
        return next((f for f in features if f.feature == self.choice.value), None)

    @property
    def channel(self) -> str:
        """The chosen score; the one that decided where none is chosen, or it has none such."""
        feature = self.feature
        if feature is None or self.score.value in feature.channels:
            return str(self.score.value)
        decided = max(feature.channels, key=lambda name: feature.channels[name].noise, default="mean")
        return feature.channel if feature.channel in feature.channels else decided

    def _draw(self) -> None:
        feature = self.feature
        if self._offering or self.view is None or self.looked is None or feature is None:
            return
        self._offering = True
        offer(self.score, ((DECIDES, ""), *((text, name) for name, text in SCORES.items() if name in feature.channels)))
        self._offering = False
        check, found = self.looked
        key = check.id, found.n, feature.feature, self.channel, self.view.width
        if key == self._drawn:
            return
        width, profile = half_width(self.view), self.records.profile(check.version).get(feature.feature)
        if profile is None:
            self.window.value = tag("p", f"the files of {check.version}, which has the reference, are not there")
            self.figures.value = ""
        else:
            label = f"{feature.sentence}: the window beside the reference."
            self.window.value = svg(feature_distribution(feature, profile, width=width), label)
            self.figures.value = figures(feature, profile, self._values(check, found.n, feature.feature))
        told = f"{SCORES[self.channel]} of {feature.feature} at {len(self.view.evaluations)} checks."
        self.over_time.value = svg(
            score_over_time(self.view.evaluations, feature.feature, self.channel, width=width), told
        )
        self._drawn = key

    def _values(self, check: Evaluation, rows: int, name: str) -> np.ndarray:
        """The feature's values in the window; empty where its rows are no longer on record."""
        size = max(rows, self.records.reader.settings.monitor.window)
        found = self.records.recorded(check, 2 * size).window(check, rows)
        return found[0].get(name, np.zeros(0)) if found else np.zeros(0)


def figures(feature: FeatureDrift, profile: FeatureProfile, values: np.ndarray) -> Markup:
    """The numbers behind the picture, as a table.

    Parameters
    ----------
    values : of the window, in order of arrival; empty where they are no longer on record
    """
    outside = feature.channels.get("unseen" if feature.kind == "categorical" else "range")
    expected = (profile.outermost + profile.infinite) / profile.present if profile.present else 0.0
    rows = [
        ("rows", f"{feature.n:,}", f"{profile.n:,}"),
        ("worth independent rows", f"{feature.effective:,.0f}", f"{profile.present / _alike(profile):,.0f}"),
        ("missing", _share(feature.missing_share), _share(profile.missing_share)),
        (
            "unseen" if feature.kind == "categorical" else "out of range",
            _share(outside.value if outside else None),
            f"{_share(expected)} expected",
        ),
    ]
    if feature.kind == "categorical":
        rows += [(c, _share(s), _share(feature.reference_shares.get(c, 0.0))) for c, s in feature.shares.items()]
    elif feature.kind == "boolean":
        rows += [("true", _share(feature.mean), _share(profile.mean))]
    else:
        rows += [
            ("mean", number(feature.mean), number(profile.mean)),
            ("standard deviation", number(feature.std), number(profile.std)),
            *_quantiles(profile, values),
        ]
    caption = f"{feature.feature}: {' '.join(STATES[feature.state])}; the window beside the reference"
    shown = table(caption, ["", "window", "reference"], rows, css=["wb-name", "wb-nowrap", "wb-nowrap"])
    return tag("div", shown, "wb-narrow")


def _quantiles(profile: FeatureProfile, values: np.ndarray) -> list[tuple[str, str, str]]:
    usual, finite = of_profile(profile), values[np.isfinite(values)]
    was = usual.quantiles(SHAPE) if usual else [None] * len(SHAPE)
    now = np.quantile(finite, SHAPE) if len(finite) else [None] * len(SHAPE)
    names = ["median" if share == 0.5 else f"{share:.0%} are below" for share in SHAPE]
    return [(name, number(a), number(b)) for name, a, b in zip(names, now, was, strict=True)]


def _options(features: Sequence[FeatureDrift], impacts: Sequence[Impact]) -> list[tuple[str, str]]:
    share = {i.feature: i.share for i in impacts}
    told = {name: f", impact {number(s, 2)} sd" for name, s in share.items()}
    return [
        (f"{f.feature}: {' '.join(STATES[f.state])}{told.get(f.feature, '')}", f.feature)
        for f in by_impact(features, impacts)
    ]


def _alike(profile: FeatureProfile) -> float:
    return profile.cell_dependence if profile.kind == "categorical" else profile.value_dependence


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _noise(feature: FeatureDrift) -> float:
    return max((c.noise for c in feature.channels.values()), default=0.0)
