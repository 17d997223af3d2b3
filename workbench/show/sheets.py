"""Which record is shown as what; records of rooms above register themselves where they are."""

from __future__ import annotations

from functools import singledispatch

from workbench.backtest_result import BacktestResult, Course
from workbench.comparison_result import Comparison
from workbench.evaluation import DataResult, DriftResult, Evaluation, FeatureDrift, ModelView, ServiceResult
from workbench.performance_result import EstimateResult, PerformanceResult
from workbench.records import Metadata
from workbench.show import checks, trials, versions
from workbench.show.sheet import Sheet
from workbench.whatif_result import SideBySide, WhatIf


@singledispatch
def sheet_of(record: object) -> Sheet:
    """What is shown of a record."""
    raise TypeError(f"nothing says how a {type(record).__name__} is shown")


for kind in (DataResult, EstimateResult, ModelView, ServiceResult):
    sheet_of.register(kind, checks.part)
sheet_of.register(Evaluation, checks.evaluation)
sheet_of.register(DriftResult, checks.drift)
sheet_of.register(FeatureDrift, checks.feature)
sheet_of.register(PerformanceResult, checks.performance)
sheet_of.register(Metadata, versions.metadata)
sheet_of.register(Comparison, versions.comparison)
sheet_of.register(SideBySide, versions.side_by_side)
sheet_of.register(WhatIf, versions.whatif)
sheet_of.register(BacktestResult, trials.backtest)
sheet_of.register(Course, trials.course)
