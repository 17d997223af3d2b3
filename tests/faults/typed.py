"""What people type, and what others wrote that they read: settings files, options of commands, text boxes, inputs.

Nonsense is an error that a person can mend, no shell and no page takes a text for anything but a text, and nothing
outside the workspace is touched.
"""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import ipywidgets as W
import typer.main
from typer.testing import CliRunner

from tests.faults.hostile import TEXTS
from tests.faults.table import Fault, Outcome
from tests.faults.worker import trained
from workbench.cli import app as commands
from workbench.ensemble import answer
from workbench.errors import SettingsError, WorkbenchError
from workbench.metrics_store import MetricsStore
from workbench.monitor import ModelMonitor
from workbench.panels.commands import Result
from workbench.panels.dashboard import Dashboard
from workbench.records import Event
from workbench.settings import Settings, load_settings
from workbench.version_store import VersionStore

# Values of TOML that no key takes, or few.
VALUES = [
    *(
        "nan",
        "inf",
        "-inf",
        "1e400",
        "-0.0",
        "9" * 5000,
        "-1",
        "0",
        "1e-320",
        "true",
        "0x" + "f" * 300,
        "''",
        '"\\u0000"',
    ),
    *("[]", "[[[[1]]]]", "[" * 3000 + "]" * 3000, "{a={b={c=1}}}", "1979-05-27T07:32:00Z", '"' + "x" * 100_000 + '"'),
    *('"../../../etc/passwd"', '"os:system"', '"a:b:c"', '":"', '"\\u001b[31m"', "'$(id)'", "[1, 'a', nan]"),
]
# Commands that run until they are told to end, and those whose very purpose is a file elsewhere.
LEFT_OUT = {"serve", "up", "maintain", "replay", "bench", "export", "import", "report", "init"}
# Whatever else Python's own functions raise.
UNEXPECTED = ArithmeticError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError
ELEMENTS = {"script", "iframe", "object", "embed", "link", "meta", "base", "form", "applet", "frame"}


def settings_files(folder: Path, seed: int, rounds: int) -> Outcome:
    """workbench.toml with values, keys and bytes that do not belong there, and the same by the environment."""
    rng, told, wrong, refused = random.Random(seed), trained(folder).root / "workbench.toml", [], 0
    base = told.read_bytes()
    keys = [(s, k) for s, f in Settings.model_fields.items() for k in getattr(f.annotation, "model_fields", {})]
    for _ in range(rounds):
        section, key = rng.choice(keys)
        value = rng.choice(VALUES)
        changed, variable = _changed(rng, base, section, key, value)
        told.write_bytes(changed)
        name, text = f"WORKBENCH_{section}__{key}".upper(), value.encode().replace(b"\0", b"")[:10_000].decode()
        with _environment({name: text} if variable else {}):
            try:
                load_settings(told.parent)
            except SettingsError as error:
                refused += 1
                # It names the file, or the variable.
                if not (str(told) in str(error) or "WORKBENCH_" in str(error)):
                    wrong.append(f"{section}.{key} = {value[:60]}: {str(error)[:200]}")
            except UNEXPECTED as error:
                wrong.append(f"{section}.{key} = {value[:60]}: {type(error).__name__} {str(error)[:200]}")
    for line in wrong[:20]:
        print(line)
    return Outcome(rounds, f"{rounds:,} settings, {refused:,} of them refused", 0, len(wrong) + (refused == 0))


def _changed(rng: random.Random, base: bytes, section: str, key: str, value: str) -> tuple[bytes, bool]:
    """The file, and whether the value comes by the environment instead."""
    mark = f"[{section}]".encode()
    line = f"{key} = {value}\n".encode()
    there = mark in base
    planted = base.replace(mark + b"\n", mark + b"\n" + line, 1) if there else base + b"\n" + mark + b"\n" + line
    flipped = bytearray(base)
    for _ in range(3):
        flipped[rng.randrange(len(flipped))] = rng.randrange(256)
    choices = [
        *[planted] * 4,
        base + b"\n" + rng.choice(TEXTS).encode() + b" = 1\n",
        base + b"\n[" + rng.choice(TEXTS).encode() + b"]\nx = 1\n",
        base + f'\n[store]\n"{section}" = {value}\n'.encode(),
        base + f"\n{section} = {value}\n".encode(),
        bytes(flipped),
        base[: rng.randrange(len(base))],
        base.decode().encode("utf-16"),
        b"\xef\xbb\xbf" + base,
        base.replace(b"\n", b"\r"),
        b"[a]\n" + b"[a.b]\n" * 3,
        b".".join([b"a"] * 3000) + b" = 1\n",
    ]
    return (base, True) if rng.random() < 0.2 else (rng.choice(choices), False)


@contextmanager
def _environment(more: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(more)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def command_line(folder: Path, seed: int, rounds: int) -> Outcome:
    """Every text that a command takes, as something else: paths, options, words for a shell, marks for a terminal."""
    settings, rng, wrong, run = trained(folder), random.Random(seed), [], 0
    canary, aside = folder / "canary", folder / "aside"
    aside.mkdir()
    root = typer.main.get_command(commands)
    with _within(aside):
        before = _outside(folder, settings.root)
        for _ in range(rounds):
            for name, parameter in _texts(root):
                words = [
                    name,
                    *_given(root.commands[name], parameter, rng.choice(TEXTS).replace("{canary}", str(canary))),
                ]
                done = CliRunner().invoke(commands, ["--root", str(settings.root), *words])
                run += 1
                mended = done.exception is None or isinstance(done.exception, WorkbenchError | SystemExit)
                if not mended or done.exit_code not in (0, 1, 2) or "Traceback" in done.output:
                    wrong.append(f"{words}: {done.exit_code} {done.exception!r} {done.output[-300:]}")
        if _outside(folder, settings.root) != before:
            wrong.append(f"outside the workspace: {sorted(_outside(folder, settings.root) ^ before)}")
    for line in wrong[:20]:
        print(line)
    return Outcome(rounds, f"{run:,} commands", 0, len(wrong))


@contextmanager
def _within(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def _outside(folder: Path, root: Path) -> set[tuple[str, int]]:
    return {(str(p), p.stat().st_mtime_ns) for p in folder.rglob("*") if root not in (p, *p.parents)}


def _texts(root: Any) -> list[tuple[str, Any]]:
    """Commands with each of their parameters that is a text or a path."""
    found = [
        (name, parameter)
        for name, command in root.commands.items()
        for parameter in command.params
        if name not in LEFT_OUT and parameter.type_descriptor.annotation in (str, Path)
    ]
    assert len(found) > 10, found
    return found


def _given(command: Any, hostile: Any, text: str) -> list[str]:
    """The words of a command with one text; arguments that it needs besides are there."""
    words = []
    for parameter in command.params:
        given = text if parameter is hostile else "first" if parameter.required else None
        if given is not None and parameter.param_type_name == "argument":
            words.append(given)
        elif given is not None:
            words.append(f"{parameter.opts[0]}={given}")
    return words


@dataclass
class Refused:
    """Stands for a command line whose every command fails with a text."""

    text: str = ""
    asked: list[list[str]] = field(default_factory=list)

    def __call__(self, argv: Any) -> "Refused":
        self.asked.append(list(argv))
        return self

    def poll(self) -> Result:
        return Result(2, self.text, f"error: {self.text}")


class Elements(HTMLParser):
    """Elements and attributes that only a text of somebody else can have brought."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.strange: list[str] = []
        self.feed(text)

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        if name in ELEMENTS:
            self.strange.append(name)
        for key, value in attributes:
            if key.startswith("on") or (value or "").strip().lower().startswith("javascript:") or value == "x":
                self.strange.append(f"{name} {key}")


def pages(folder: Path, seed: int, rounds: int) -> Outcome:
    """The dashboard over records that others wrote, its text boxes filled and its buttons pressed: texts stay texts."""
    rng, drawn, wrong, pressed = random.Random(seed), 0, [], 0
    settings = trained(folder)
    _haunt(settings, rng)
    run = Refused()
    page = Dashboard(settings, run=run)
    page.lock.locked = False
    for _ in range(rounds):
        run.text = rng.choice(TEXTS)
        for widget in list(_widgets(page)):
            if isinstance(widget, W.Text | W.Password):
                widget.value = rng.choice(TEXTS)
        for button in [w for w in _widgets(page) if isinstance(w, W.Button)]:
            button.click()
            page.refresh()
            pressed += 1
            page.lock.locked = False
        shown = [w.value for w in _widgets(page) if isinstance(w, W.HTML)]
        drawn += len(shown)
        wrong += [f"{strange} in {text[:200]}" for text in shown for strange in Elements(text).strange]
        if not any("&lt;script&gt;" in text or "&lt;img" in text for text in shown):
            wrong.append("none of the texts is shown")
    wrong += [f"taken for an option: {argv}" for argv in run.asked for word in argv[3:] if word in TEXTS and word]
    for line in wrong[:20]:
        print(line)
    checked = f"{drawn:,} pieces of HTML, {pressed:,} buttons, {len(run.asked):,} commands"
    return Outcome(rounds, checked, 0, len(wrong))


def _widgets(widget: W.Widget) -> Iterator[W.Widget]:
    yield widget
    for child in getattr(widget, "children", ()):
        yield from _widgets(child)


def _haunt(settings: Settings, rng: random.Random) -> None:
    """Predictions, actuals, events and a note with hostile texts, and a check over them."""
    metrics, versions = MetricsStore.of(settings), VersionStore(settings.versions_dir)
    live, monitor = versions.load("first"), ModelMonitor(metrics, settings)
    texts = [text for text in TEXTS if "\0" not in text]
    rows = [{"km": float(i % 50), "stops": i % 4, "to": texts[i % len(texts)]} for i in range(120)]
    said = answer(live.estimator, live.schema, rows).predictions
    done = monitor.record_rows(rows, said, schema=live.schema, version=live.id, response_s=0.01)
    monitor.feedback([(p.id, 2.0 * i) for i, p in enumerate(done)])
    for text in TEXTS:
        kind = rng.choice(["alarm", "decision", "kept_out", "paused", "promoted", "retrain_failed", "rolled_back"])
        metrics.append(Event(kind=kind, reason=text, version=rng.choice(["first", text]), by=text))
    monitor.check(live)
    metrics.close()


FAULTS = [
    Fault("settings files and variables", settings_files, rounds=20_000, short=300),
    Fault("options of every command", command_line, rounds=30, short=1),
    Fault("hostile texts on the dashboard", pages, rounds=30, short=2),
]
