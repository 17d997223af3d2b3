"""How often does a whole check cry wolf? All parts of `checkup.evaluate` together, a small model asked."""

from datetime import UTC, datetime

from workbench.evaluation import ServiceResult, Traffic

# Of the mixed features, those that a linear model takes as they are.
INPUTS = 6
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
QUIET = ServiceResult(state="ok", sentence="", all=Traffic(requests=0, rows=0))
