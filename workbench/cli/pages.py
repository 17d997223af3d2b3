"""How the pages are started: Voila over the dashboard alone, and JupyterLab over the notebooks.

Both return a command and what its environment needs besides the caller's; starting and watching is the supervisor's.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.exposure import private
from workbench.files import replace_whole
from workbench.tokens import viewer_token

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from workbench.settings import Settings

CHECKOUT = Path(__file__).resolve().parents[2]
# Where an installation has what a checkout has: pyproject.toml, shared-data.
INSTALLED = Path(sys.prefix) / "share" / "model-workbench"
TEMPLATES = CHECKOUT / "share" / "jupyter"
START = "notebooks/0_start.ipynb"
CELLS = ("from workbench import Workbench", "Workbench.open().dashboard()")
# Widgets and the page's clock; every other extension only makes the page slower.
EXTENSIONS = ["@jupyter-widgets/jupyterlab-manager", "@voila-dashboards/widgets-manager8", "anywidget"]

# How the page looks is the same where JupyterLab renders it.
SHARED = ("template", "theme", "strip_sources", "show_tracebacks", "allow_template_override", "extension_allowlist")


def dashboard_notebook() -> NotebookNode:
    """The dashboard as a notebook: what notebooks/dashboard.ipynb holds, for installations that have no such folder."""
    from nbformat.v4 import new_code_cell, new_notebook

    cells = [new_code_cell(source, id=f"cell-{i}") for i, source in enumerate(CELLS)]
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})


def voila_config(settings: Settings) -> dict[str, Any]:
    """voila.json: pages ready when asked for, kernels that end with their page, and nothing served but the page."""
    pages = settings.pages
    return {
        "Voila": {
            "ip": pages.host,
            "port": pages.dashboard_port,
            "port_retries": 0,
            "open_browser": False,
            # The default looks where the environment says that the token is.
            "auto_token": not private(pages.host),
        },
        "VoilaConfiguration": {
            "template": "workbench",
            "theme": "light",
            "strip_sources": True,
            "show_tracebacks": False,
            "allow_template_override": "NO",
            "allow_theme_override": "YES",
            "file_allowlist": [],
            "preheat_kernel": True,
            "default_pool_size": 2,
            "extension_allowlist": EXTENSIONS,
        },
        # A page that is gone ticks no more; a page that is open is never idle.
        "MappingKernelManager": {"cull_idle_timeout": 120, "cull_interval": 30, "cull_connected": False},
        # A kernel born again would be empty behind a page that still shows the old figures.
        "KernelManager": {"autorestart": False},
    }


def voila_process(settings: Settings, run_dir: Path) -> tuple[list[str], dict[str, str]]:
    """The dashboard's server.

    Parameters
    ----------
    run_dir : Path
        Filled with voila.json, with a token if one is asked for, and with a folder of the notebook: Voila serves
        pictures from where the notebook lies, so nothing else may lie there.

    Returns
    -------
    argv : list of str
    environment : dict
        To be added to the caller's.
    """
    import nbformat

    run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    notebook = run_dir / "page" / "dashboard.ipynb"
    notebook.parent.mkdir(exist_ok=True)
    nbformat.write(dashboard_notebook(), notebook)
    (run_dir / "voila.json").write_text(json.dumps(voila_config(settings), indent=2), encoding="utf-8")
    argv = [sys.executable, "-m", "voila", str(notebook), f"--Voila.config_file_paths={run_dir}"]
    environment = {"WORKBENCH_ROOT": str(settings.root)}
    if not private(settings.pages.host):
        environment |= _shown(viewer_token(settings.root), run_dir / "viewer-token")
    return argv, environment | _templates()


def lab_process(settings: Settings, token: str, run_dir: Path) -> tuple[list[str], dict[str, str]]:
    """JupyterLab over the notebooks; it asks no other host for news or updates.

    Parameters
    ----------
    token : str
        What the login page asks for.
    run_dir : Path
        Gets a file of the token.
    """
    start = lab_start()
    folder = _notebooks_in() or settings.root
    argv = [
        *(sys.executable, "-m", "jupyter", "lab", "--no-browser"),
        f"--ServerApp.ip={settings.pages.host}",
        f"--ServerApp.port={settings.pages.lab_port}",
        "--ServerApp.port_retries=0",
        f"--LabApp.default_url=/lab{start}",
        f"--ServerApp.root_dir={folder}",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.extension_manager=readonly",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        argv.append("--allow-root")
    config = _lab_config(settings)
    environment = {
        "JUPYTER_CONFIG_PATH": os.pathsep.join(filter(None, [str(config), os.environ.get("JUPYTER_CONFIG_PATH")])),
        "WORKBENCH_ROOT": str(settings.root),
    }
    return argv, environment | _shown(token, run_dir / "lab-token") | _templates()


def _shown(token: str, file: Path) -> dict[str, str]:
    """Where a server of Jupyter finds its token.

    Not in its environment: every kernel has a copy of that, to be printed into a notebook and kept there.
    """
    # Jupyter takes the file's line end for a part of the token.
    replace_whole(file, token.encode())
    return {"JUPYTER_TOKEN_FILE": str(file)}


def lab_start() -> str:
    """The path of the first notebook in JupyterLab; empty where there are no notebooks."""
    return f"/tree/{START}" if _notebooks_in() else ""


def _notebooks_in() -> Path | None:
    """The folder that holds `notebooks/`."""
    return next((folder for folder in (CHECKOUT, INSTALLED) if (folder / START).is_file()), None)


def _templates() -> dict[str, str]:
    """Where our Voila template lies in a checkout; installed, it lies where Jupyter looks anyway."""
    if not TEMPLATES.is_dir():
        return {}
    return {"JUPYTER_PATH": os.pathsep.join(filter(None, [str(TEMPLATES), os.environ.get("JUPYTER_PATH")]))}


def _lab_config(settings: Settings) -> Path:
    """What has no switch on the command line: no prompt for news, and the service and the dashboard behind one port."""
    folder, service = settings.metrics_dir / "lab", settings.service
    quiet = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    door = {
        # An empty command: it is running already.
        "command": [],
        "port": service.port,
        # The service answers to its own names alone.
        "request_headers_override": {"Host": "127.0.0.1"},
        "launcher_entry": {"title": "Service", "path_info": "service/docs"},
    }
    page = {key: voila_config(settings)["VoilaConfiguration"][key] for key in SHARED}
    # The door speaks plain HTTP; where the service has a certificate, it is reached at its own address alone.
    doors = {} if service.tls_cert else {"service": door}
    server = {"ServerProxy": {"servers": doors}, "VoilaConfiguration": page}
    for name, told in (("labconfig/page_config.json", quiet), ("jupyter_server_config.json", server)):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(told), encoding="utf-8")
    return folder
