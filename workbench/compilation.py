"""How the service answers a version's rows: from a compiled form proven equal to scikit-learn, or by scikit-learn."""

from __future__ import annotations

import msgspec


class Compilation(msgspec.Struct, frozen=True, kw_only=True):
    """What compiling a version came to, at publish time.

    `why_not` is what stood against it, and is None for a version that is answered compiled. `rows` and `hostile` count
    the rows of the training snapshot and the made-up ones on which both gave the same answers; `row_us` and
    `sklearn_row_us` are the median times of one row in microseconds, on the machine that published; `crossover_rows`
    is from how many rows on scikit-learn was faster, None if it never was.
    """

    why_not: str | None = None
    rows: int = 0
    hostile: int = 0
    row_us: float | None = None
    sklearn_row_us: float | None = None
    crossover_rows: int | None = None

    @property
    def sentence(self) -> str:
        """In words, for people."""
        if self.why_not is not None:
            return f"answered by scikit-learn: {self.why_not}"
        told = f"equal to scikit-learn on {self.rows} training rows and {self.hostile} hostile ones"
        if self.row_us and self.sklearn_row_us:
            told += f"; one row {self.row_us:.0f} us, {self.sklearn_row_us / self.row_us:.0f} times faster"
        many = "never" if self.crossover_rows is None else f"from {self.crossover_rows} rows"
        return f"compiled, {told}; scikit-learn answers batches {many}"
