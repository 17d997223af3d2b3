"""One list of dependencies, and its two copies; nothing in the lock that names a place."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DIRECT = [*PROJECT["dependencies"], *(r for extra in PROJECT["optional-dependencies"].values() for r in extra)]
LOCK = (ROOT / "requirements.lock").read_text()


def locked() -> list[tuple[str, str]]:
    """Names and versions; a name can stand twice, for different Pythons."""
    return re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", LOCK, re.MULTILINE)


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_direct_dependency_is_locked_at_a_version_it_allows():
    for requirement in map(Requirement, DIRECT):
        versions = [v for name, v in locked() if canonical(name) == canonical(requirement.name)]
        assert versions, requirement
        assert all(map(requirement.specifier.contains, versions)), requirement


def test_the_lock_has_hashes_for_everything_and_no_address():
    entries = [entry for entry in re.split(r"^(?=\S)", LOCK, flags=re.MULTILINE) if entry]
    assert len(entries) == len(locked())
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in LOCK
    assert "index" not in "".join(line for line in LOCK.splitlines() if line.startswith("-"))


def test_environment_yml_lists_the_same_dependencies():
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())
    pip = next(item["pip"] for item in conda["dependencies"] if isinstance(item, dict))
    assert sorted(pip) == sorted([*DIRECT, "-e ."])


def test_the_core_and_the_service_bring_no_jupyter():
    light = [Requirement(r).name for r in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["service"]]]
    assert not {"jupyterlab", "voila", "ipywidgets", "anywidget", "ipykernel", "matplotlib"} & set(light)


def test_the_public_names_are_there_and_a_wrong_one_is_told():
    import workbench

    assert all(getattr(workbench, name) for name in workbench.__all__)
    with pytest.raises(AttributeError, match="it has Backtest, Jobs, Maintainer, MetricsStore"):
        _ = workbench.Monitor
