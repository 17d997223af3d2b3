"""From a fitted pipeline of ours (ensemble.py) to its compiled form; what is of another shape is told why not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from workbench.answers import Answers, plain
from workbench.compiled import Compiled, Form, TextCode, numbers_of, texts_of
from workbench.ensemble import answer
from workbench.errors import WorkbenchError
from workbench.records import Schema
from workbench.scores import label_text
from workbench.walking import AS_IT_IS, BINARY, BOOSTED, FOREST, HIST_BOOSTED, LINEAR, NODE, SOFTMAX

FORESTS = (RandomForestRegressor, RandomForestClassifier, ExtraTreesRegressor, ExtraTreesClassifier)
BOOSTINGS = (GradientBoostingRegressor, GradientBoostingClassifier)
HIST_BOOSTINGS = (HistGradientBoostingRegressor, HistGradientBoostingClassifier)
# Texts that are asked for their columns in one go.
ASKED = 2_000
# No category of real data.
UNSEEN = "\x00 never seen \x00"


class Uncompilable(WorkbenchError):
    """An estimator of a shape that cannot be compiled; the message says what is in the way."""


def compile_ensemble(estimator: Any, schema: Schema) -> Compiled:
    """The compiled form of a fitted pipeline; unproven.

    Parameters
    ----------
    estimator : fitted, as `ensemble.fit` returns it

    Raises
    ------
    Uncompilable
        Unless it is a pipeline of our `encode` and a vote of members of the known kinds.
    """
    if type(estimator) is not Pipeline or len(estimator) != 2:
        raise Uncompilable(f"a {type(estimator).__name__} is no pipeline of an encoder and a vote")
    encode, vote = estimator[0], estimator[-1]
    if type(vote) not in (VotingRegressor, VotingClassifier) or vote.weights is not None:
        raise Uncompilable(f"its last step is a {type(vote).__name__}, no vote of equal members")
    if type(vote) is VotingClassifier and vote.voting != "soft":
        raise Uncompilable("its members vote by class, not by probability")
    encoder = _encoder(encode, schema)
    classes = tuple(plain(c) for c in vote.classes_) if type(vote) is VotingClassifier else ()
    parts = _Parts(encoder["width"])
    for member in vote.estimators_:
        parts.add(member.estimator if type(member) is FrozenEstimator else member)
    form = Form(
        task=schema.task,
        **encoder,
        members=parts.members,
        weights=parts.weights,
        roots=parts.roots,
        classes=classes,
        names=tuple(label_text(c) for c in classes),
    )
    return Compiled(form, parts.nodes(), parts.leaves(len(classes) or 1))


def fastest(estimator: Any, schema: Schema) -> Callable[[Sequence[Mapping[str, Any]]], Answers]:
    """How the service would ask an estimator for a few rows, unproven: to be timed."""
    try:
        return compile_ensemble(estimator, schema).answer
    except Uncompilable:
        return partial(answer, estimator, schema)


def _encoder(encode: Any, schema: Schema) -> dict[str, Any]:
    """The encoder's part of the form."""
    numbers, texts = list(numbers_of(schema)), list(texts_of(schema))
    if type(encode) is not ColumnTransformer:
        raise Uncompilable(f"its first step is a {type(encode).__name__}, not our encoder")
    steps = {name: (step, list(columns)) for name, step, columns in encode.transformers_ if columns}
    if {name: columns for name, (_, columns) in steps.items()} != {
        name: columns for name, columns in (("numbers", numbers), ("texts", texts)) if columns
    }:
        raise Uncompilable("its encoder splits the features otherwise than ours")
    told: dict[str, Any] = {
        "numbers": tuple(numbers),
        "texts": (),
        "medians": [],
        "indicators": [],
        "means": [],
        "scales": [],
    }
    width = 0
    if numbers:
        pipeline = steps["numbers"][0]
        kinds = [type(step) for _, step in getattr(pipeline, "steps", ())]
        if kinds != [SimpleImputer, StandardScaler]:
            raise Uncompilable("its numbers are encoded otherwise than by our imputer and scaler")
        impute, scale = pipeline[0], pipeline[1]
        indicators = [] if impute.indicator_ is None else impute.indicator_.features_.tolist()
        told |= {
            "medians": impute.statistics_.astype(float).tolist(),
            "indicators": indicators,
            "means": scale.mean_.tolist(),
            "scales": scale.scale_.tolist(),
        }
        width = len(numbers) + len(indicators)
    if texts:
        one_hot = steps["texts"][0]
        if type(one_hot) is not OneHotEncoder or one_hot.drop is not None:
            raise Uncompilable("its texts are encoded otherwise than by our one-hot encoder")
        told["texts"] = tuple(_codes(one_hot, texts, width))
        width += len(one_hot.get_feature_names_out())
    return told | {"width": width}


def _codes(one_hot: OneHotEncoder, texts: Sequence[str], offset: int) -> Iterator[TextCode]:
    """Which column each known text, a missing and an unseen one set: the encoder is asked, not looked into."""
    for i, name in enumerate(texts):
        known = [c for c in one_hot.categories_[i].tolist() if isinstance(c, str)]
        columns = [
            column
            for start in range(0, len(known) + 2, ASKED)
            for column in _asked(one_hot, texts, i, [np.nan, UNSEEN, *known][start : start + ASKED])
        ]
        missing, unseen, *rest = (c + offset if c >= 0 else -1 for c in columns)
        yield TextCode(name, dict(zip(known, rest, strict=True)), missing, unseen)


def _asked(one_hot: OneHotEncoder, texts: Sequence[str], i: int, values: Sequence[Any]) -> list[int]:
    """The column that only these values of one feature set, a value; -1 where none is set."""
    frame = pd.DataFrame({name: np.full(len(values), UNSEEN, dtype=object) for name in texts})
    others = one_hot.transform(frame.iloc[:1])[0]
    frame[texts[i]] = np.array(values, dtype=object)
    encoded = one_hot.transform(frame)
    # What the other features set when they are unseen is theirs; ours is told by its own span of columns.
    spans = np.cumsum([0, *(_span(one_hot, k) for k in range(len(texts)))])
    ours = encoded[:, spans[i] : spans[i + 1]]
    if (
        np.delete(encoded, range(spans[i], spans[i + 1]), axis=1) != np.delete(others, range(spans[i], spans[i + 1]))
    ).any():
        raise Uncompilable("its one-hot columns are laid out otherwise than by feature")
    return [int(spans[i] + row.argmax()) if row.any() else -1 for row in ours]


def _span(one_hot: OneHotEncoder, i: int) -> int:
    """How many columns a feature has: its categories, the infrequent ones together."""
    infrequent = (getattr(one_hot, "infrequent_categories_", None) or [None] * (i + 1))[i]
    return len(one_hot.categories_[i]) - (0 if infrequent is None else len(infrequent) - 1)


class _Parts:
    """The members' tables while they grow."""

    def __init__(self, width: int) -> None:
        self.members: list[list[int]] = []
        self.weights: list[float] = []
        self.roots: list[int] = []
        self._width = width
        self._nodes: list[np.ndarray] = []
        self._leaves: list[np.ndarray] = []
        self._laid = 0
        self._values = 0

    def nodes(self) -> np.ndarray:
        return np.concatenate(self._nodes) if self._nodes else np.zeros(0, NODE)

    def leaves(self, outputs: int) -> np.ndarray:
        return np.concatenate(self._leaves) if self._leaves else np.zeros((0, outputs))

    def add(self, member: Any) -> None:
        """One more member.

        Raises
        ------
        Uncompilable
            If it is of no known kind.
        """
        begin, at, kind = len(self.roots), len(self.weights), type(member)
        if kind in (Ridge, LogisticRegression):
            coefficients = np.atleast_2d(member.coef_)
            intercepts = np.broadcast_to(np.atleast_1d(member.intercept_), len(coefficients))
            self.weights += [*coefficients.ravel().tolist(), *intercepts.tolist()]
            how, sums = LINEAR, len(coefficients)
            link = AS_IT_IS if kind is Ridge else _link(len(member.classes_))
        elif kind in FORESTS:
            for grown in member.estimators_:
                self._add_tree(grown.tree_, 1.0)
            how, link, sums = FOREST, AS_IT_IS, len(getattr(member, "classes_", (0,)))
        elif kind in BOOSTINGS and (member.init_ == "zero" or type(member.init_) in (DummyRegressor, DummyClassifier)):
            # Of a constant: the inputs do not matter.
            base = member._raw_predict_init(np.zeros((1, self._width), np.float32))[0]
            for stage in member.estimators_:
                for grown in stage:
                    self._add_tree(grown.tree_, member.learning_rate)
            self.weights += base.tolist()
            how, sums, link = BOOSTED, len(base), _link_of(member)
        elif kind in HIST_BOOSTINGS and member.is_categorical_ is None:
            base = np.ravel(member._baseline_prediction)
            for step in member._predictors:
                for predictor in step:
                    self._add_hist_tree(predictor.nodes)
            self.weights += base.tolist()
            how, sums, link = HIST_BOOSTED, len(base), _link_of(member)
        else:
            raise Uncompilable(f"its member {kind.__name__} is none of those that are compiled")
        self.members.append([how, link, sums, begin, len(self.roots), at])

    def _add_tree(self, tree: Any, rate: float) -> None:
        values = tree.value[:, 0, :] * rate
        at = tree.threshold.astype(float)
        leaf = tree.children_left < 0
        rows = np.zeros(len(leaf), np.int64)
        if values.shape[1] == 1:
            at = np.where(leaf, values[:, 0], at)
        else:
            rows[leaf] = self._values + np.arange(leaf.sum())
            self._leaves.append(values[leaf])
            self._values += int(leaf.sum())
        self._lay(tree.children_left, tree.children_right, tree.feature, at, leaf, rows)

    def _add_hist_tree(self, nodes: np.ndarray) -> None:
        leaf = nodes["is_leaf"].astype(bool)
        at = np.where(leaf, nodes["value"], nodes["num_threshold"])
        left, right = nodes["left"].astype(np.int64), nodes["right"].astype(np.int64)
        self._lay(left, right, nodes["feature_idx"], at, leaf, np.zeros(len(leaf), np.int64))

    def _lay(
        self,
        left: np.ndarray,
        right: np.ndarray,
        feature: np.ndarray,
        at: np.ndarray,
        leaf: np.ndarray,
        rows: np.ndarray,
    ) -> None:
        """A tree, level by level, so that two children stand side by side."""
        levels, level = [np.zeros(1, np.int64)], np.zeros(1, np.int64)
        while len(level):
            inner = level[~leaf[level]]
            level = np.column_stack([left[inner], right[inner]]).ravel()
            levels.append(level)
        order = np.concatenate(levels)
        place = np.empty(len(leaf), np.int64)
        place[order] = np.arange(len(order))
        laid = np.zeros(len(order), NODE)
        laid["at"], laid["feature"] = at[order], np.where(leaf, -1, feature)[order]
        laid["next"] = np.where(leaf, rows, self._laid + place[np.where(leaf, 0, left)])[order]
        self.roots.append(self._laid)
        self._nodes.append(laid)
        self._laid += len(laid)


def _link(classes: int) -> int:
    return BINARY if classes == 2 else SOFTMAX


def _link_of(member: Any) -> int:
    if hasattr(member, "classes_"):
        return _link(len(member.classes_))
    if type(member._loss.link).__name__ != "IdentityLink":
        raise Uncompilable(f"its member {type(member).__name__} has loss = {member.loss!r}, which is not compiled")
    return AS_IT_IS
