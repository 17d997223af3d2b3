"""What does sharing cost? Shipping a prediction beside appending it, reading what others recorded, and retention.

python -m tests.benchmarks.shipping [--quick]
"""

import argparse
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

from tests.benchmarks.tables import Table
from tests.databases import Server, started
from workbench import retention
from workbench.database import Database
from workbench.metrics_store import MetricsStore
from workbench.records import Prediction
from workbench.shared_records import SharedRecords

REPLICAS = 3


def asked(i: int) -> Prediction:
    """Ten features, some 370 bytes a line."""
    return Prediction(
        event_time="2026-01-01T00:00:00.000000Z",
        version="20260101T000000000000Z",
        inputs={f"feature_{j}": i * 1.25 + j for j in range(10)},
        output=float(i),
        response_s=0.004,
    )


def seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


class Bench:
    """Stores of some replicas over one server, in folders that go with it."""

    def __init__(self, server: Server, folder: Path, rows: int) -> None:
        self.server, self.folder, self.rows = server, folder, rows
        self.databases: list[Database] = []

    def store(self, name: str, history: int) -> MetricsStore:
        self.databases.append(Database(self.server.url, "bench"))
        folder = self.folder / name
        shared = SharedRecords(folder, self.databases[-1])
        return MetricsStore(folder, window=1_000, history=history, shared=shared)

    def fill(self, store: MetricsStore) -> float:
        """Microseconds that one append takes, each of one prediction."""
        records = [asked(i) for i in range(self.rows)]
        return 1e6 * seconds(lambda: [store.put(Prediction, [record]) for record in records]) / self.rows

    def close(self) -> None:
        for database in self.databases:
            database.close()


def cost(bench: Bench, rounds: int) -> Table:
    """Appending and shipping by turns, so that a busy moment of the machine hits both."""
    store = bench.store("one", history=100_000)
    appended, shipped, worked = [], [], []
    for _ in range(rounds):
        appended.append(bench.fill(store))
        cpu = time.process_time()
        shipped.append(1e6 * seconds(store.shared.shipper.ship) / bench.rows)
        worked.append(1e6 * (time.process_time() - cpu) / bench.rows)
    append, ship, work = map(statistics.median, (appended, shipped, worked))
    idle = statistics.median(1e3 * seconds(store.shared.shipper.ship) for _ in range(20))
    return Table(
        title="Shipping a prediction, beside appending it",
        note=f"Ten features; medians of {rounds} rounds of {bench.rows:,}, by turns. Another process does it than "
        f"answers, in transactions of up to 10,000 records; nothing to ship: {idle:.2f} ms.",
        head=("", "microseconds", "times an append"),
        rows=[
            ("append to the segment, one at a time", f"{append:.1f}", "1.0"),
            ("ship, of which this process computes", f"{work:.1f}", f"{work / append:.1f}"),
            ("ship, until it is committed", f"{ship:.1f}", f"{ship / append:.1f}"),
        ],
    )


def fleet(bench: Bench) -> Table:
    """Several replicas at once, then what a machine pays that reads what the others recorded."""
    stores = [bench.store(f"fleet-{i}", history=bench.rows) for i in range(REPLICAS)]
    for store in stores:
        bench.fill(store)
    threads = [threading.Thread(target=store.shared.shipper.ship) for store in stores]

    def together() -> None:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    total = seconds(together)
    reader = bench.store("reader", history=bench.rows)
    window, again = seconds(reader.window), statistics.median(seconds(reader.window) for _ in range(20))
    bench.fill(stores[0])
    stores[0].shared.shipper.ship()
    behind = seconds(reader.window)
    with psycopg.connect(bench.server.url) as asking:
        size, there = asking.execute(
            "select pg_total_relation_size('bench.predictions'), count(*) from bench.predictions"
        ).fetchone()
    pruned = there - bench.rows
    pruning = seconds(lambda: retention.prune(reader, lambda rows: None))
    return Table(
        title="What one database carries",
        note=f"{REPLICAS} replicas; the server on the same machine, and with its default settings but for fsync.",
        head=("", "", "a record"),
        rows=[
            (
                f"{REPLICAS} replicas ship {bench.rows:,} each at once",
                f"{REPLICAS * bench.rows / total:,.0f} records/s",
                f"{1e6 * total / REPLICAS / bench.rows:.0f} µs",
            ),
            ("a window of 1,000 read anew", f"{1e3 * window:.0f} ms", ""),
            ("the same again, nothing new", f"{1e3 * again:.2f} ms", ""),
            (f"the same, {bench.rows:,} new", f"{1e3 * behind:.0f} ms", f"{1e6 * behind / bench.rows:.0f} µs"),
            ("retention", f"{pruned / pruning:,.0f} records/s", f"{1e6 * pruning / pruned:.0f} µs"),
            ("disk, three indexes with it", f"{size / 1e6:.0f} MB", f"{size / there:.0f} bytes"),
        ],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    server, folder = started(), Path(tempfile.mkdtemp(prefix="workbench-shipping-"))
    bench = Bench(server, folder, 2_000 if quick else 20_000)
    try:
        for table in (cost(bench, 3 if quick else 9), fleet(bench)):
            print(table)
    finally:
        bench.close()
        server.stop()
        shutil.rmtree(folder)
        shutil.rmtree(server.folder)


if __name__ == "__main__":
    main()
