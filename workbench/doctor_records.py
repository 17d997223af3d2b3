"""Is every line of metrics/ a record, and can its times be? Segments are read line by line, and not changed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from workbench.findings import SHOWN, Case, Finding, each, listing, some
from workbench.metrics_store import KINDS
from workbench.moments import parse_utc, utc_text
from workbench.records import Heartbeat, Prediction
from workbench.segment_file import closed_segment
from workbench.segments import read_line

# Clocks of one machine agree better than this; what is written while it is read is never so far ahead.
AHEAD = timedelta(minutes=1)
EVENT_AHEAD, EVENT_BEHIND = timedelta(days=1), timedelta(days=366)
LONGEST_LINE = 1 << 26


class Segment(msgspec.Struct, kw_only=True):
    """What one segment holds: lines by what is wrong with them."""

    path: Path
    lines: int = 0
    damaged: int = 0
    first_damaged: int = 0
    torn: bool = False
    backwards: int = 0
    future: int = 0
    newest: str = ""
    event_ahead: int = 0
    event_behind: int = 0
    farthest: timedelta = timedelta(0)
    too_early: int = 0


def records(case: Case, predictions: list[Segment]) -> Iterator[Finding]:
    """Findings of all folders; the segments of predictions are put on a list besides."""
    for kind, record in KINDS.items():
        folder = case.metrics / kind
        segments: list[Segment] = []

        def look(path: Path, record: Any = record, segments: list[Segment] = segments) -> Iterator[Finding]:
            segment = read(path, record, case)
            segments.append(segment)
            yield from _damage(segment, case)

        if folder.exists():
            found = list(each(case, "records", listing(folder, ".jsonl"), look, case.named(folder)))
            yield from found[:SHOWN]
            if len(found) > SHOWN:
                yield _damaged(f"{len(found) - SHOWN} more segments have damaged lines", case.named(folder))
            yield from _torn(segments, case.named(folder))
            yield from _clock(segments, case.named(folder))
        if kind == "predictions":
            predictions += segments
            yield from _event_times(segments, case.named(folder))


def read(path: Path, kind: Any, case: Case) -> Segment:
    """Look at each line of a segment."""
    found, last = Segment(path=path), ""
    limit, decoder = utc_text(case.clock() + AHEAD), msgspec.json.Decoder(kind)
    with open(path, "rb") as file:
        for line in iter(lambda: file.readline(LONGEST_LINE), b""):
            case.read(len(line))
            if found.torn:
                _note_damaged(found)  # It was no last line: too long to be one.
            found.torn = not line.endswith(b"\n")
            if found.torn:
                continue
            found.lines += 1
            try:
                record = read_line(decoder, line)
                stamp = parse_utc(record.recorded_at)
            except ValueError:
                _note_damaged(found)
                continue
            found.backwards += record.recorded_at < last
            found.future += record.recorded_at > limit
            last = max(last, record.recorded_at)
            if isinstance(record, Prediction):
                _event_time(record.event_time, stamp, found)
            elif isinstance(record, Heartbeat):
                found.too_early += record.started_at > utc_text(stamp + AHEAD)
        read_to = file.tell()
    found.newest = last
    if found.torn:
        # A writer that is at it will finish its line.
        with closed_segment(path) as closed:
            found.torn = closed and os.stat(path).st_size == read_to
    return found


def _note_damaged(found: Segment) -> None:
    found.damaged += 1
    found.first_damaged = found.first_damaged or found.lines


def _event_time(text: str, stamp: datetime, found: Segment) -> None:
    try:
        late = stamp - parse_utc(text)
    except (ValueError, OverflowError):
        _note_damaged(found)
        return
    found.event_ahead += late < -EVENT_AHEAD
    found.event_behind += late > EVENT_BEHIND
    found.farthest = max(found.farthest, late)


def _damage(segment: Segment, case: Case) -> Iterator[Finding]:
    if segment.damaged:
        what = f"{segment.damaged} of {segment.lines} lines are no valid record, the first of them line "
        yield _damaged(f"{what}{segment.first_damaged}", case.named(segment.path))


def _damaged(what: str, where: str) -> Finding:
    todo = "readers leave them out; restore the file from a copy if they matter, and see whether the disk is sound"
    return Finding(area="records", what=what, where=where, todo=todo)


def _torn(segments: list[Segment], where: str) -> Iterator[Finding]:
    torn = [segment.path.name for segment in segments if segment.torn]
    if torn:
        yield Finding(
            area="records",
            level="note",
            what=f"{len(torn)} closed segments end in the midst of a line ({some(torn)}): their writer was killed",
            where=where,
            todo="nothing: readers leave that line out, and nobody appends to it",
        )


def _clock(segments: list[Segment], where: str) -> Iterator[Finding]:
    future = [segment for segment in segments if segment.future]
    if future:
        newest = max(segment.newest for segment in future)
        yield Finding(
            area="clock",
            what=f"{sum(s.future for s in future)} records are stamped in the future, up to {newest} "
            f"({some(s.path.name for s in future)})",
            where=where,
            todo="set the clock right; until that time comes they count as the newest, and hide what is really new",
        )
    backwards = [segment for segment in segments if segment.backwards]
    if backwards:
        yield Finding(
            area="clock",
            what=f"stamps go backwards in {some(s.path.name for s in backwards)}, which no writer does",
            where=where,
            todo="somebody edited or joined these files: restore them from a copy; their order cannot be trusted",
        )
    early = sum(segment.too_early for segment in segments)
    if early:
        yield Finding(
            area="clock",
            what=f"{early} heartbeats are from before their worker started: the clock was set back",
            where=where,
            todo="keep the clock right (NTP); restart the service, so that its uptime is told rightly",
        )


def _event_times(segments: list[Segment], where: str) -> Iterator[Finding]:
    total = sum(segment.lines for segment in segments)
    ahead, behind = sum(s.event_ahead for s in segments), sum(s.event_behind for s in segments)
    if ahead:
        yield Finding(
            area="clock",
            what=f"{ahead} of {total} predictions happened more than a day after they were recorded",
            where=where,
            todo="see what the callers send as the time: a wrong unit or zone; spans and seasons use it",
        )
    if behind:
        years = max(segment.farthest for segment in segments).days / 365.25
        replay = behind > total / 2
        yield Finding(
            area="clock",
            level="note" if replay else "problem",
            what=f"{behind} of {total} predictions happened more than a year before they were recorded, "
            f"up to {years:.1f} years",
            where=where,
            todo="nothing, if old rows were replayed"
            if replay
            else "see what the callers send as the time: the others are recent; spans and seasons use it",
        )
