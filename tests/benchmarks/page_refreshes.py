"""What a refresh costs a viewer's kernel, in a process that holds no more than such a kernel; used by page_cost.

Prints JSON: of each tick its kind, milliseconds of processor and by the clock, and the bytes that it sets.
"""

import json
import sys
import time
from collections.abc import Iterator

import ipywidgets as W
import msgspec

from workbench.metrics_store import MetricsStore
from workbench.panels.dashboard import Dashboard
from workbench.settings import Settings, load_settings

REFRESHES = 60
# What sets fewer bytes has drawn no picture.
DRAWN = 1_000


def drawn(widget: W.Widget) -> Iterator[W.HTML]:
    """Whatever of a page is drawn by the kernel."""
    if isinstance(widget, W.HTML):
        yield widget
    for child in getattr(widget, "children", ()):
        yield from drawn(child)


def ticks(settings: Settings) -> list[tuple[str, float, float, int]]:
    """Every tick of a page at which check after check arrives: those that draw, and those that have nothing to draw.

    A tick is what the page asks of its kernel at once; as long as something is left, it asks again.
    """
    page, store = Dashboard(settings), MetricsStore.of(settings)
    sent: list[int] = []
    for widget in drawn(page):
        widget.observe(lambda change: sent.append(len(change["new"].encode())), "value")
    found = []

    def tick() -> None:
        sent.clear()
        cpu, wall = time.process_time(), time.perf_counter()
        page.pulse.tick += 1
        spent = 1e3 * (time.process_time() - cpu), 1e3 * (time.perf_counter() - wall)
        found.append(("draws" if sum(sent) > DRAWN else "quiet", *spent, sum(sent)))

    last = store.evaluations(1)[0]
    for i in range(REFRESHES):
        tick()
        # Another error than before, or the pictures stay as they are and nothing is sent.
        metrics = {name: (value or 0) * (1 + i / REFRESHES) for name, value in last.performance.metrics.items()}
        performance = msgspec.structs.replace(last.performance, metrics=metrics, sentence=f"check {i}")
        drift = msgspec.structs.replace(last.drift, sentence=f"check {i}")
        service = msgspec.structs.replace(last.service, sentence=f"check {i}")
        changed = {"performance": performance, "drift": drift, "service": service}
        store.append(msgspec.structs.replace(last, id="", recorded_at="", **changed))
        tick()
        while page.pulse.more:
            tick()
    store.close()
    return found


if __name__ == "__main__":
    print(json.dumps(ticks(load_settings(sys.argv[1]))))
