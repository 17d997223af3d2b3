"""How Voila and JupyterLab are started."""

import json
import os
import shutil
import sys
import tomllib
from pathlib import Path

import nbformat

from tests.conftest import make_workspace
from workbench.cli import pages
from workbench.cli.pages import lab_process, voila_process
from workbench.tokens import maintenance_token, viewer_token


def test_voila_serves_a_folder_that_holds_the_dashboard_alone(settings, tmp_path):
    argv, _ = voila_process(settings, tmp_path / "run")
    (notebook,) = (tmp_path / "run" / "page").iterdir()
    assert str(notebook) in argv
    assert len(nbformat.read(notebook, 4).cells) == 2


def test_voila_listens_where_the_settings_say_and_serves_no_other_file(settings, tmp_path):
    voila_process(settings, tmp_path)
    told = json.loads((tmp_path / "voila.json").read_text())
    assert (told["Voila"]["ip"], told["Voila"]["port"]) == ("127.0.0.1", 8866)
    assert told["VoilaConfiguration"]["file_allowlist"] == []
    assert told["KernelManager"]["autorestart"] is False


def test_the_workspace_travels_by_the_environment(settings, tmp_path):
    assert voila_process(settings, tmp_path)[1]["WORKBENCH_ROOT"] == str(settings.root)
    assert lab_process(settings, "secret", tmp_path)[1]["WORKBENCH_ROOT"] == str(settings.root)


def shown(environment):
    """The token that a server of Jupyter is given."""
    file = Path(environment["JUPYTER_TOKEN_FILE"])
    assert file.stat().st_mode & 0o777 == 0o600
    return file.read_text()


def test_the_token_of_jupyterlab_is_not_on_its_command_line_nor_in_what_its_kernels_inherit(settings, tmp_path):
    argv, environment = lab_process(settings, "secret", tmp_path)
    assert not [word for word in (*argv, *environment.values()) if "secret" in word]
    assert shown(environment) == "secret"


def test_jupyterlab_answers_this_machine_alone_on_the_port_of_the_settings(settings, tmp_path):
    argv, _ = lab_process(settings, "secret", tmp_path)
    assert "--ServerApp.ip=127.0.0.1" in argv
    assert "--ServerApp.port=8888" in argv


def test_jupyterlab_does_not_ask_to_fetch_news(settings, tmp_path):
    _, environment = lab_process(settings, "secret", tmp_path)
    folder = environment["JUPYTER_CONFIG_PATH"].split(os.pathsep)[0]
    told = json.loads((Path(folder) / "labconfig" / "page_config.json").read_text())
    assert told["disabledExtensions"]["@jupyterlab/apputils-extension:announcements"] is True


def test_an_installation_opens_on_the_first_notebook_too(settings, tmp_path, monkeypatch):
    installed = tmp_path / "share"
    shutil.copytree(pages.CHECKOUT / "notebooks", installed / "notebooks")
    monkeypatch.setattr(pages, "CHECKOUT", tmp_path / "site-packages")
    monkeypatch.setattr(pages, "INSTALLED", tmp_path / "nowhere")
    assert f"--ServerApp.root_dir={settings.root}" in lab_process(settings, "secret", tmp_path)[0]
    monkeypatch.setattr(pages, "INSTALLED", installed)
    argv, _ = lab_process(settings, "secret", tmp_path)
    assert f"--ServerApp.root_dir={installed}" in argv
    assert "--LabApp.default_url=/lab/tree/notebooks/0_start.ipynb" in argv


def test_the_wheel_puts_the_notebooks_where_they_are_looked_for():
    told = tomllib.loads((pages.CHECKOUT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert Path(sys.prefix) / told["shared-data"]["notebooks"] == pages.INSTALLED / "notebooks"


def test_a_dashboard_for_other_machines_asks_for_a_token_that_is_on_no_command_line_and_in_no_served_file(tmp_path):
    settings = make_workspace(tmp_path / "ws", extra='[pages]\nhost = "0.0.0.0"\n')
    argv, environment = voila_process(settings, tmp_path / "run")
    token = viewer_token(settings.root)
    assert shown(environment) == token != maintenance_token(settings.root)
    assert json.loads((tmp_path / "run" / "voila.json").read_text())["Voila"]["auto_token"] is True
    assert token not in " ".join([*argv, *environment.values()])
    assert not [p for p in (tmp_path / "run" / "page").iterdir() if token in p.read_text()]


def test_a_dashboard_for_this_machine_alone_asks_for_none(settings, tmp_path):
    assert "JUPYTER_TOKEN_FILE" not in voila_process(settings, tmp_path)[1]
    assert json.loads((tmp_path / "voila.json").read_text())["Voila"]["auto_token"] is False
