"""The model workbench: keep a scikit-learn ensemble healthy in production.

The public names are imported when they are first asked for: `import workbench` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.backtest import Backtest as Backtest
    from workbench.jobs import Jobs as Jobs
    from workbench.maintainer import Maintainer as Maintainer
    from workbench.metrics_store import MetricsStore as MetricsStore
    from workbench.monitor import ModelMonitor as ModelMonitor
    from workbench.retrainer import ModelRetrainer as ModelRetrainer
    from workbench.settings import Settings as Settings
    from workbench.settings import load_settings as load_settings
    from workbench.training_store import TrainingStore as TrainingStore
    from workbench.version_store import VersionStore as VersionStore
    from workbench.workspace import Workbench as Workbench

__version__ = "0.1.0"

_PUBLIC = {
    "Backtest": "backtest",
    "Jobs": "jobs",
    "Maintainer": "maintainer",
    "MetricsStore": "metrics_store",
    "ModelMonitor": "monitor",
    "ModelRetrainer": "retrainer",
    "Settings": "settings",
    "TrainingStore": "training_store",
    "VersionStore": "version_store",
    "Workbench": "workspace",
    "load_settings": "settings",
}
__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'workbench' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(f"workbench.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return __all__
