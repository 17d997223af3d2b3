"""Versions as they are shown: one, all over their traffic, two side by side, and what one would have said."""

from __future__ import annotations

from workbench.comparison_result import Comparison, Tenure
from workbench.records import Block, GateVerdict, Metadata
from workbench.show.sheet import Cell, Sheet, Table, Told, bounded, clock, many, number
from workbench.show.sketch import interval
from workbench.whatif_result import Paired, SideBySide, WhatIf

PASSED: dict[bool, Told] = {True: Told("✓ passed", "good"), False: Told("✗ did not pass", "wait")}


def metadata(version: Metadata) -> Sheet:
    data, gate = version.training_data, version.gate
    facts: list[tuple[str, Cell]] = [
        ("created", f"{clock(version.created_at)}, {version.trigger}: {version.reason}"),
        ("answers", f"{version.task} of {version.target}, from {many(len(version.features.features), 'feature')}"),
        ("ensemble", f"{version.ensemble}, {version.recipe}, {version.fit_s:.1f} s"),
        ("rows", f"{data.rows:,}: {_block(data.fit, 'learnt')}; {_block(data.gate, 'for the gate')}"),
        ("gate", PASSED[gate.passed]),
        ("parent", version.parent or "–"),
        *(("note", note) for note in version.notes),
    ]
    metrics = Table(
        f"on the {gate.rows:,} rows of the gate" if version.champion_metrics else "on its holdout",
        ["metric", "this version", "the live one then"],
        [(name, number(value), number(version.champion_metrics.get(name))) for name, value in version.metrics.items()],
    )
    return Sheet(f"Version {version.version_id}", gate.sentence, facts, [metrics], _advantage(gate))


def _advantage(gate: GateVerdict) -> list[str]:
    if gate.advantage is None or gate.low is None or gate.high is None:
        return []
    label = f"Advantage at the gate, {gate.metric}: {gate.sentence}."
    return [interval(gate.low, gate.advantage, gate.high, label, tone="good" if gate.passed else "wait")]


def _block(block: Block, what: str) -> str:
    return f"{block.rows:,} {what}" + (
        f" ({block.start[:10]} to {block.end[:10]})" if block.start and block.end else ""
    )


def comparison(record: Comparison) -> Sheet:
    head = ["version", "live from", "predictions", "actuals", record.metric, "mean response", "checks in alarm"]
    return Sheet(
        "Versions",
        f"{many(len(record.tenures), 'version')} over {many(record.predictions, 'prediction')}, {clock(record.as_of)}",
        tables=[Table("in brackets: 95 %", head, [_tenure(t, record.metric) for t in record.tenures])],
        note=record.note,
    )


def _tenure(t: Tenure, metric: str) -> list[Cell]:
    mean, within = t.responses.mean_s, t.responses.mean_interval_s
    milliseconds = (1e3 * within[0], 1e3 * within[1]) if within else None
    alarms = sum((t.drift.inputs, t.drift.model, t.drift.data))
    return [
        Told(f"● {t.version}", "good") if t.is_live else t.version,
        clock(t.live[0][0]) if t.live else "never",
        t.predictions,
        t.labelled,
        bounded(t.served.metrics.get(metric), t.served.intervals.get(metric)),
        "–" if mean is None else f"{bounded(1e3 * mean, milliseconds)} ms",
        f"{alarms:,} of {t.drift.checks:,}",
    ]


def side_by_side(record: SideBySide) -> Sheet:
    a, b = record.a.metadata.version_id, record.b.metadata.version_id
    same = record.same_inputs
    return Sheet(
        f"{a} (A) beside {b} (B)",
        record.sentence,
        tables=[
            *([_paired(same.paired, a, b)] if same and same.paired else []),
            Table(
                "the traffic each served",
                ["version", "live from", "predictions", "actuals", record.metric, "mean response", "checks in alarm"],
                [_tenure(side.traffic, record.metric) for side in (record.a, record.b)],
            ),
            Table(
                "what differs", ["field", "A", "B"], [(d.field, _value(d.a), _value(d.b)) for d in record.differences]
            ),
        ],
    )


def whatif(record: WhatIf) -> Sheet:
    answered = ", ".join(f"{version}: {n:,}" for version, n in record.answered_by.items())
    changed = [
        (clock(row.event_time), _value(row.recorded), _value(row.whatif), number(row.change, 3), _value(row.actual))
        for row in record.changed
    ]
    return Sheet(
        f"What if {record.version} had answered",
        record.sentence,
        facts=[
            ("inputs", f"{record.n:,}, {clock(record.start)} to {clock(record.end)}, answered by {answered}"),
            ("agreement", record.agreement.sentence),
            ("time a row", f"{record.row_ms:.2f} ms alone, {record.batch_row_ms:.3f} ms of many"),
        ],
        tables=[
            *([_paired(record.paired, "as answered", record.version)] if record.paired else []),
            Table("the rows that change most", ["event time", "answered", "what if", "change", "actual"], changed),
        ],
    )


def _paired(paired: Paired, first: str, second: str) -> Table:
    rows = [
        (
            m.metric,
            number(m.first),
            number(m.second),
            bounded(m.difference, None if m.low is None or m.high is None else (m.low, m.high)),
            m.verdict or "–",
        )
        for m in paired.metrics
    ]
    caption = many(paired.n, "labelled row") + (", seen in training" if paired.seen else "")
    return Table(caption, ["metric", first, second, "difference", ""], rows)


def _value(value: object) -> str:
    return number(value) if value is None or isinstance(value, float) else str(value)
