"""workbench.toml and the environment -> Settings; a wrong key, type or file is an error that names it.

Order, last word first: `WORKBENCH_<SECTION>__<KEY>` in the environment, then workbench.toml, then the defaults here.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableError

from workbench.errors import SettingsError
from workbench.records import METRICS
from workbench.sections import (
    AlertsSettings,
    BacktestSettings,
    DriftSettings,
    MetricsSettings,
    ModelSettings,
    MonitorSettings,
    PagesSettings,
    PerformanceSettings,
    ProbationSettings,
    ReplaySettings,
    RetrainSettings,
    ServiceSettings,
    Store,
)

FILE = "workbench.toml"
PREFIX = "WORKBENCH_"


class Settings(BaseSettings):
    """All settings in force for one workspace, and the folder they were read from."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, env_prefix=PREFIX, env_nested_delimiter="__")

    root: Path
    model: ModelSettings
    monitor: MonitorSettings = MonitorSettings()
    metrics: MetricsSettings = MetricsSettings()
    drift: DriftSettings = DriftSettings()
    performance: PerformanceSettings = PerformanceSettings()
    retrain: RetrainSettings = RetrainSettings()
    probation: ProbationSettings = ProbationSettings()
    alerts: AlertsSettings = AlertsSettings()
    service: ServiceSettings = ServiceSettings()
    pages: PagesSettings = PagesSettings()
    replay: ReplaySettings = ReplaySettings()
    backtest: BacktestSettings = BacktestSettings()
    # By feature, what of it is kept; those that are not named are kept as they are.
    store: dict[str, Store] = {}

    @model_validator(mode="after")
    def _metrics_of_the_task(self) -> Settings:
        # The bias has no better end.
        known = [*(name for name in METRICS[self.model.task] if name != "bias"), *self.performance.own]
        for key, name in [("metric", self.metric), *(("watch", name) for name in self.watch)]:
            if name not in known:
                raise ValueError(f"[performance] {key} = {name!r} is none of {', '.join(known)} ({self.model.task})")
        return self

    @model_validator(mode="after")
    def _store_names_features(self) -> Settings:
        model = self.model
        for name in self.store:
            if name in (model.target, model.time) or (model.features and name not in model.features):
                there = f"they are {', '.join(model.features)}" if model.features else "it is the target or the time"
                raise ValueError(f"[store] {name} is no feature: {there}")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings

    def alone_in(self, root: Path) -> Settings:
        """The same settings for another folder, whose records are shared with nobody."""
        return self.model_copy(update={"root": root, "metrics": MetricsSettings()})

    @property
    def versions_dir(self) -> Path:
        return self.root / "versions"

    @property
    def metrics_dir(self) -> Path:
        return self.root / "metrics"

    @property
    def metric(self) -> str:
        """The primary metric: the one asked for, or the usual one of the task."""
        return self.performance.metric or ("mae" if self.model.task == "regression" else "f1")

    @property
    def ensembles(self) -> tuple[str, ...]:
        """What is trained: the ensembles that compete, or the model's own."""
        return self.retrain.ensembles or (self.model.ensemble,)

    @property
    def watch(self) -> tuple[str, ...]:
        """Metrics judged beside the primary one; by default, of a classifier, the two that F1 is made of."""
        if self.performance.watch is not None:
            return self.performance.watch
        return () if self.model.task == "regression" else ("precision", "recall")


def find_root(root: Path | str | None = None) -> Path:
    """The workspace folder: the one given, `WORKBENCH_ROOT`, or the current folder.

    A current folder inside a workspace (a notebook runs in notebooks/) stands for the workspace.
    """
    told = root or os.environ.get("WORKBENCH_ROOT")
    if told:
        return Path(told).resolve()
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / FILE).exists()), here)


def load_settings(root: Path | str | None = None, over: Path | str | None = None) -> Settings:
    """The settings of a workspace.

    Parameters
    ----------
    root : path, optional
        The folder that holds workbench.toml; else `WORKBENCH_ROOT`, else the current folder.
    over : path, optional
        A file whose keys are laid over those of workbench.toml; one that has a [model] of its own stands alone.

    Raises
    ------
    SettingsError
        If a file is missing or not TOML, or a key is unknown, missing or of a wrong type; names the key,
        where it stands, what was found and what is allowed.
    """
    folder = find_root(root)
    path = folder / FILE if over is None else Path(over)
    told = _read(path, over is None)
    if over is not None and "model" not in told:
        told = _laid_over(_read(folder / FILE, True), told)
    _check_environment()
    return _made(told, folder, path)


def with_values(settings: Settings, values: Mapping[str, object]) -> Settings:
    """The settings with other values of some keys, each as "section.key".

    Raises
    ------
    SettingsError
        As `load_settings`, naming the key.
    """
    told = settings.model_dump(exclude_unset=True, mode="json", exclude={"root"})
    for name, value in values.items():
        section, _, key = name.partition(".")
        told[section] = {**told.get(section, {}), key: value}
    return _made(told, settings.root, "a value that was asked for")


def _made(told: dict[str, Any], root: Path, source: Path | str) -> Settings:
    """Settings of what was told and of the environment; an error names its source, or the variable."""
    try:
        # WORKBENCH_ROOT has already spoken: as a field it would outrank the folder that was asked for.
        settings = Settings(**told, root=root)
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(e, source) for e in error.errors())) from error
    except (UnreadableError, RecursionError) as error:
        there = ", ".join(sorted(name for name in os.environ if name.startswith(PREFIX) and name != f"{PREFIX}ROOT"))
        raise SettingsError(
            f"one of the environment variables {there} cannot be read: {error}; a list is written as JSON is, "
            f'["a", "b"]'
        ) from error
    return settings.model_copy(update={"root": root})


def _read(path: Path, whole: bool) -> dict[str, Any]:
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        if not whole:
            raise SettingsError(f"no settings file {path}") from error
        raise SettingsError(
            f"no {path.name} in {path.parent}; write one with `python main.py init DATA.csv`, "
            f"or name the workspace with --root DIR or WORKBENCH_ROOT"
        ) from error
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        # ValueError: of TOML, of Unicode, and numbers of thousands of digits.
        raise SettingsError(f"{path} is not valid TOML: {error}") from error
    told.pop("root", None)
    _check_types(told, path)
    return told


def _laid_over(below: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    return below | {
        name: {**below[name], **part} if isinstance(part, dict) and isinstance(below.get(name), dict) else part
        for name, part in told.items()
    }


def _check_types(told: dict[str, Any], path: Path) -> None:
    """A number in quotes is a text: the environment has nothing but texts, a file can say what it means."""
    for section, values in told.items():
        field = Settings.model_fields.get(section)
        for key, value in values.items() if isinstance(values, dict) and field else ():
            wanted = getattr(field.annotation, "model_fields", {}).get(key) if field else None
            kind = wanted.annotation if wanted else None
            if (kind in (int, float, bool) and isinstance(value, str)) or (
                kind in (int, float) and isinstance(value, bool)
            ):
                shown = "true or false" if kind is bool else "a number"
                raise SettingsError(f"{path}: '{section}.{key}' is {value!r}: it takes {shown}, without quotes")


def _check_environment() -> None:
    """A misspelt variable would otherwise change nothing and say nothing."""
    for name in os.environ:
        if not name.startswith(PREFIX) or name == f"{PREFIX}ROOT":
            continue
        section, _, key = name.removeprefix(PREFIX).lower().partition("__")
        if section not in Settings.model_fields or not key:
            raise SettingsError(
                f"environment variable {name} names no setting; they are {PREFIX}ROOT and {PREFIX}<SECTION>__<KEY> "
                f"with a section of {', '.join(_keys([]))}"
            )


def with_choice(settings: Settings, *, recipe: str | None = None, ensemble: str | None = None) -> Settings:
    """The settings with only one of the configured recipes, or of the ensembles; all of them where None.

    Raises
    ------
    SettingsError
        If it is not configured: a request chooses among names, it brings none.
    """
    configured = {"recipe": settings.retrain.recipes, "ensemble": settings.ensembles}
    chosen: dict[str, tuple[str, ...]] = {}
    for what, name in (("recipe", recipe), ("ensemble", ensemble)):
        if name is None:
            continue
        if name not in configured[what]:
            raise SettingsError(f"{what} {name!r} is not among [retrain] {what}s: {', '.join(configured[what])}")
        chosen[f"{what}s"] = (name,)
    return settings.model_copy(update={"retrain": settings.retrain.model_copy(update=chosen)}) if chosen else settings


def _explain(error: object, path: Path | str) -> str:
    assert isinstance(error, dict)
    where = [str(part) for part in error["loc"]]
    key = ".".join(where)
    variable = "WORKBENCH_" + "__".join(where).upper()
    source = f"environment variable {variable}" if variable in os.environ else str(path)
    if error["type"] == "extra_forbidden":
        allowed = _keys(where[:-1])
        near = difflib.get_close_matches(where[-1], allowed, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        group = f"[{where[0]}]" if len(where) > 1 else "the file"
        return f"{source}: unknown key {key!r}{hint} (allowed in {group}: {', '.join(allowed)})"
    if error["type"] == "value_error":
        return f"{source}: {error['ctx']['error']}"
    if error["type"] == "missing":
        return f"{source}: {key!r} is missing; {FILE} must have it"
    return f"{source}: {key!r} is {error['input']!r}: {error['msg'][0].lower()}{error['msg'][1:]}"


def _keys(where: list[str]) -> list[str]:
    fields = Settings.model_fields
    if not where:
        return [name for name in fields if name != "root"]
    section = fields[where[0]].annotation
    assert isinstance(section, type)
    assert issubclass(section, BaseModel)
    return list(section.model_fields)
