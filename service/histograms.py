"""The official client's histogram, with a way to observe many values at once."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

import prometheus_client


class Histogram(prometheus_client.Histogram):
    """As the client's; to observe a value by itself costs half of what writing its request down costs.

    Examples
    --------
    >>> seen = Histogram("seen", "Values.", buckets=(1, 2), registry=None)
    >>> seen.observe_all([0.5, 1.0, 7.0])
    >>> [sample.value for sample in seen.collect()[0].samples if sample.name == "seen_bucket"]
    [2.0, 2.0, 3.0]
    """

    def observe_all(self, values: Sequence[float]) -> None:
        """Count values, each in the first bucket whose bound is no less."""
        self._raise_if_not_observable()
        self._sum.inc(sum(values))
        bounds = self._upper_bounds
        for bucket, n in Counter([bisect_left(bounds, value) for value in values]).items():
            self._buckets[bucket].inc(n)
