"""The tables of one check of the service: its figures by version, and the workers."""

from __future__ import annotations

from workbench.evaluation import Evaluation, Traffic
from workbench.label_words import span
from workbench.panels.base import Markup, table
from workbench.plot_style import short_id
from workbench.show.sheet import clock, number
from workbench.traffic_words import failures_told, mean_told, p95_told


def versions(check: Evaluation) -> Markup:
    """A column all requests together, then one a version; the figures with what chance leaves of them."""
    service = check.service
    if not service.all.requests:
        return Markup()
    everything = _figures(
        service.all, service.cpu_share, service.memory_mb, service.uptime.up_s if service.uptime else None
    )
    # A version that no worker is on costs nothing, which is no figure.
    parts = [_figures(t, t.cpu_share, t.memory_mb or None, t.up_s) for t in service.by_version.values()]
    rows = [(name, told, *(part[name] for part in parts)) for name, told in everything.items()]
    caption = f"requests up to {clock(check.recorded_at)} (in brackets: 95 %)"
    head = ["", "all", *map(short_id, service.by_version)]
    return table(caption, head, rows, css=["wb-nowrap"])


def _figures(traffic: Traffic, cpu: float | None, memory: float | None, up_s: float | None) -> dict[str, str]:
    return {
        "requests": f"{traffic.requests:,}",
        "rate": f"{number(traffic.requests_per_s, 3)}/s",
        "mean response": mean_told(traffic, level=""),
        "p50": _milliseconds(traffic.p50_s),
        "p95": p95_told(traffic, level=""),
        "p99": _milliseconds(traffic.p99_s),
        "latency": _milliseconds(traffic.latency_mean_s),
        "4xx": "–" if traffic.share_4xx is None else f"{traffic.share_4xx:.1%}",
        "5xx": failures_told(traffic, level=""),
        "up": "–" if up_s is None else span(up_s),
        "CPU": "–" if cpu is None or memory is None else f"{cpu:.0%}",
        "memory": "–" if memory is None else f"{memory:.0f} MB",
    }


def _milliseconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds * 1e3:.1f} ms"


def workers(check: Evaluation) -> Markup:
    """Which worker is on which version, and what it costs."""
    if not check.service.workers:
        return Markup()
    rows = [
        (
            w.name,
            short_id(w.version or "none"),
            clock(w.started_at),
            f"{w.cpu_share:.0%}",
            f"{w.memory_mb:.0f} MB",
        )
        for w in check.service.workers
    ]
    head = ["worker", "version", "since", "CPU", "memory"]
    return table(f"workers at {clock(check.recorded_at)}", head, rows, css=["", "", "wb-nowrap"])
