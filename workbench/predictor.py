"""How a version's rows are answered in the service: in the fastest way that is proven to say what scikit-learn says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from workbench.answers import Answers
from workbench.records import Schema


class Predictor:
    """Answers rows for one version.

    Parameters
    ----------
    schema : Schema
    estimator : callable returning the fitted estimator
        Called when it is first needed.
    """

    def __init__(self, schema: Schema, estimator: Callable[[], Any]) -> None:
        self.schema = schema
        self._estimator = estimator

    def quick(self, rows: int) -> bool:
        """Whether that many rows take no more than about a millisecond, so that an event loop may wait for them."""
        return False

    def answer(self, rows: Sequence[Mapping[str, Any]]) -> Answers:
        """What the version says to rows that the schema allows; several threads may ask at once.

        Raises
        ------
        ValueError
            If the model refuses the rows.
        """
        # Here, and not above: a version that is answered otherwise needs no scikit-learn.
        from workbench.ensemble import answer

        return answer(self._estimator(), self.schema, rows)
