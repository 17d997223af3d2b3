"""Where to go: links to the dashboard, the service's docs and the notebooks, right wherever JupyterLab answers."""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets as t

from workbench.settings import Settings

# In the order of reading.
NOTEBOOKS = {
    "1_explore.ipynb": "the data, and why a good model goes bad",
    "2_drift.ipynb": "what drift is, what it does, and when it alarms",
    "3_retrain.ipynb": "train a challenger, and let it compete",
    "4_versions.ipynb": "compare versions, switch and roll back",
    "5_backtest.ipynb": "try a policy on the past",
}


class Places(anywidget.AnyWidget):
    """Links that the page itself completes: the kernel does not know under which address its page was opened.

    On this machine they go straight to the servers. Where JupyterLab stands behind a base URL or another machine's
    name, they go through JupyterLab, whose port is the only one that is reached there.

    Parameters
    ----------
    settings : Settings
    """

    # The text itself: a path would be watched for changes, and the watcher would never end.
    _esm = (Path(__file__).parent / "places.js").read_text(encoding="utf-8")

    name = t.Unicode().tag(sync=True)
    service_port = t.Int().tag(sync=True)
    service_tls = t.Bool().tag(sync=True)
    dashboard_port = t.Int().tag(sync=True)
    notebooks = t.Dict().tag(sync=True)

    def __init__(self, settings: Settings) -> None:
        super().__init__(
            name=settings.model.name,
            service_port=settings.service.port,
            service_tls=settings.service.tls_cert is not None,
            dashboard_port=settings.pages.dashboard_port,
            # A kernel starts where its notebook lies; installed without notebooks, there are none to link to.
            notebooks={file: told for file, told in NOTEBOOKS.items() if Path(file).is_file()},
        )

    def __repr__(self) -> str:
        return f"Places({self.name!r})"
