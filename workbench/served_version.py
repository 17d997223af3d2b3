"""A version as the service holds it: enough to check rows and answer them; scikit-learn only where that is needed."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.answers import Answers
from workbench.errors import CorruptVersion, UnknownVersion
from workbench.kept_inputs import RAW, Keeper
from workbench.records import Schema

if TYPE_CHECKING:
    from workbench.compiled import Compiled

log = logging.getLogger("workbench.versions")
# What an event loop may wait for.
QUICK_S = 1e-3


@dataclass(frozen=True, kw_only=True)
class ServedVersion:
    """A proven version; `classes` as text, none for a regression.

    `keeper` makes of rows as they are asked, and checked, those that the predictor takes.
    """

    id: str
    schema: Schema
    classes: tuple[str, ...]
    predictor: Predictor
    keeper: Keeper = RAW


class Predictor:
    """Answers rows in the fastest way that is proven to say what scikit-learn says.

    Parameters
    ----------
    schema : Schema
    estimator : callable returning the fitted estimator
        Called when it is first needed, then kept.
    compiled : Compiled, optional
    crossover_rows : int, optional
        From how many rows on the estimator is faster than the compiled form; None: it never is.
    """

    def __init__(
        self,
        schema: Schema,
        estimator: Callable[[], Any],
        compiled: Compiled | None = None,
        crossover_rows: int | None = None,
    ) -> None:
        self.schema = schema
        self.compiled = compiled
        self._crossover = crossover_rows
        self._row_s = float("inf")
        self._load = estimator
        self._estimator: Any = None
        self._loading = threading.Lock()

    def warm(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Answer some rows, one by one and together, so that the first client waits for nothing; and time them."""
        if self.compiled is None:
            self.answer(rows)
            return
        self.compiled.answer(rows, aside=True)
        taken = []
        for row in rows:
            begun = time.perf_counter()
            self.compiled.answer([row])
            taken.append(time.perf_counter() - begun)
        self._row_s = sorted(taken)[len(taken) // 2]

    def quick(self, rows: int) -> bool:
        """Whether that many rows take no more than about a millisecond, so that an event loop may wait for them."""
        return self.compiled is not None and rows * self._row_s <= QUICK_S

    @property
    def tells_probabilities(self) -> bool:
        """Of a classification; some estimators name nothing but the class."""
        return self.compiled is not None or hasattr(self.estimator(), "predict_proba")

    def answer(self, rows: Sequence[Mapping[str, Any]]) -> Answers:
        """What the version says to rows that the schema allows; several threads may ask at once.

        Raises
        ------
        ValueError
            If the model refuses the rows.
        """
        estimator = self._suited(len(rows))
        if estimator is None:
            assert self.compiled is not None
            return self.compiled.answer(rows, aside=not self.quick(len(rows)))
        # Here, and not above: a version that is answered compiled needs no scikit-learn.
        from workbench.ensemble import answer

        return answer(estimator, self.schema, rows)

    def _suited(self, rows: int) -> Any:
        """The estimator where it is the way to answer so many rows, else None."""
        if self.compiled is None:
            return self.estimator()
        if self._crossover is None or rows < self._crossover:
            return None
        try:
            return self.estimator()
        except (CorruptVersion, UnknownVersion):
            log.exception(
                "the pickle of a version is needed for %s rows and cannot be loaded; it is not tried again", rows
            )
            self._crossover = None
            return None

    def estimator(self) -> Any:
        """What scikit-learn fitted; loaded once.

        Raises
        ------
        CorruptVersion, UnknownVersion
        """
        with self._loading:
            if self._estimator is None:
                self._estimator = self._load()
            return self._estimator
