"""The thresholds of a policy as sliders, and the settings files that say what they were moved to."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path

import ipywidgets as W

from workbench.settings import PREFIX, Settings

DELAYS = ("0h", "6h", "1D", "3D", "7D", "14D", "30D", "observed")
# What is played, not what is tried: alike for all policies of a backtest.
PLAYED = "backtest"
NAME = "policy"
IN_FORCE = "in force"


class PolicySliders(W.VBox):
    """A slider a threshold, each at what the settings say.

    Parameters
    ----------
    settings : Settings
    error : float, optional
        What the deciding metric is about, so that the gate's margin has an end.
    """

    def __init__(self, settings: Settings, error: float | None = None) -> None:
        self.settings = settings
        self.knobs: dict[str, W.Widget] = _knobs(settings, error)
        self.told = {name: knob.value for name, knob in self.knobs.items()}
        for name, knob in self.knobs.items():
            knob.tooltip = f"[{name.partition('.')[0]}] {name.partition('.')[2]}"
            # What the environment says outranks every file, so that a slider would say what is not so.
            knob.disabled = f"{PREFIX}{name.replace('.', '__')}".upper() in os.environ
        super().__init__(list(self.knobs.values()))
        self.add_class("wb-knobs")

    @property
    def moved(self) -> dict[str, object]:
        """What is no longer as the settings say, by "section.key"."""
        return {name: _plain(knob.value) for name, knob in self.knobs.items() if knob.value != self.told[name]}

    @property
    def name(self) -> str:
        """What tells this policy from the one in force, as a grid's policies are named."""
        tried = {k.partition(".")[2]: v for k, v in self.moved.items() if not k.startswith(f"{PLAYED}.")}
        return ", ".join(f"{key}={value:.6g}" for key, value in tried.items()) or NAME

    def put_back(self) -> None:
        for name, knob in self.knobs.items():
            knob.value = self.told[name]

    def write(self, folder: Path, *, beside: bool) -> list[Path]:
        """The policy as a file that is laid over workbench.toml; `beside`: and the one in force, if it is another.

        A file's name is what its policy is called in the record.
        """
        played = {k: v for k, v in self.moved.items() if k.startswith(f"{PLAYED}.")}
        files = {self.name: self.moved}
        if beside and self.moved != played:
            files[IN_FORCE] = played
        paths = [folder / f"{name}.toml" for name in files]
        for path, values in zip(paths, files.values(), strict=True):
            path.write_text(_toml(values), encoding="utf-8")
        return paths


def _plain(value: float | str) -> float | str:
    """A slider's steps add up to 0.15000000000000002."""
    return round(value, 9) if isinstance(value, float) else value


def _knobs(settings: Settings, error: float | None) -> dict[str, W.Widget]:
    monitor, performance, retrain = settings.monitor, settings.performance, settings.retrain
    # A metric may be negative, zero, or not known at all.
    size = abs(error) if error and math.isfinite(error) else 1.0
    delay, margin = settings.backtest.delay, _round_up(max(size / 4, retrain.gate_margin * 2))
    lowest, highest = min(0.0005, monitor.false_alarm_rate), max(0.1, monitor.false_alarm_rate)
    return {
        "performance.min_loss": W.FloatSlider(
            value=performance.min_loss,
            max=max(0.5, performance.min_loss),
            step=0.01,
            readout_format=".0%",
            description="Smallest loss that counts",
        ),
        "monitor.false_alarm_rate": W.SelectionSlider(
            value=monitor.false_alarm_rate,
            options=_rates(lowest, highest, monitor.false_alarm_rate),
            description="False alarms a check may raise",
        ),
        "retrain.attempt_cost": W.FloatSlider(
            value=retrain.attempt_cost,
            max=max(2_000.0, 2 * retrain.attempt_cost),
            step=50.0,
            readout_format=".0f",
            description="What an attempt may cost, in bad predictions",
        ),
        "retrain.checks_in_a_row": W.IntSlider(
            value=retrain.checks_in_a_row,
            min=1,
            max=max(10, retrain.checks_in_a_row),
            description="Alarms in a row before a retrain",
        ),
        "retrain.min_new_rows": W.IntSlider(
            value=retrain.min_new_rows,
            min=min(50, retrain.min_new_rows),
            max=max(5_000, 2 * retrain.min_new_rows),
            step=50,
            description="New rows before a retrain",
        ),
        "retrain.gate_margin": W.FloatSlider(
            value=retrain.gate_margin,
            max=margin,
            step=margin / 50,
            readout_format=".3g",
            description=f"Margin to win by at the gate, {settings.metric}",
        ),
        "backtest.delay": W.SelectionSlider(
            value=delay,
            options=list(dict.fromkeys([*DELAYS, delay])),
            description="Labels come after",
        ),
        "backtest.ensemble": W.FloatSlider(
            value=settings.backtest.ensemble,
            min=min(0.05, settings.backtest.ensemble),
            max=1.0,
            step=0.05,
            readout_format=".0%",
            description="Trees and steps of a member",
        ),
    }


def _rates(lowest: float, highest: float, told: float) -> list[tuple[str, float]]:
    """Rates a person would choose, and the one in force.

    >>> _rates(0.001, 0.01, 0.004)
    [('0.1 %', 0.001), ('0.2 %', 0.002), ('0.4 %', 0.004), ('0.5 %', 0.005), ('1 %', 0.01)]
    """
    usual = [digit / scale for scale in (10_000, 1_000, 100, 10) for digit in (1, 2, 5)]
    return [(f"{100 * r:g} %", r) for r in sorted({*usual, told}) if lowest <= r <= highest]


def _round_up(value: float) -> float:
    """To one digit, so that the steps of a slider can be read.

    >>> _round_up(2.13), _round_up(0.021)
    (3.0, 0.03)
    """
    scale = 10.0 ** math.floor(math.log10(value))
    return math.ceil(value / scale) * scale


def _toml(values: Mapping[str, object]) -> str:
    """Keys of sections as TOML.

    >>> _toml({"retrain.min_new_rows": 50, "backtest.delay": "1D"})
    '[retrain]\\nmin_new_rows = 50\\n[backtest]\\ndelay = "1D"\\n'
    """
    sections: dict[str, list[str]] = {}
    for key, value in values.items():
        section, _, name = key.partition(".")
        # A number and a text are written alike in both.
        sections.setdefault(section, []).append(f"{name} = {json.dumps(value)}\n")
    return "".join(f"[{section}]\n{''.join(lines)}" for section, lines in sections.items())
