"""A workspace whose inputs are told from all others, and where they are found again."""

import gzip
import io
import re
import struct
import tarfile

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from tests.conftest import TOML, trips
from workbench.metrics_store import MetricsStore
from workbench.retrainer import ModelRetrainer
from workbench.settings import load_settings
from workbench.version_store import VersionStore

FEATURES = ["km", "stops", "to", "card", "badge", "name", "pin"]
STORE = """
[store]
card  = "hashed"
badge = "hashed"
name  = "none"
pin   = "none"
"""
EXTRA = """
[monitor]
window = 200
history = 300
segment_rows = 50
[performance]
segment = "card"
[backtest]
reference_share = 0.4
"""
BADGES = [7319870.25 + k for k in range(6)]
PINS = [5550000.5 + k for k in range(600)]
TELLTALES = [re.compile(rb"TELLTALE-(CARD|NAME|WRONG)"), re.compile(rb"731987\d\.25"), re.compile(rb"555\d{4}\.5")]


def cases(n: int, first: int = 0, cards: tuple[int, ...] = (0, 1, 2, 3, 4, 5)) -> pd.DataFrame:
    """Trips that last ten minutes longer with each card, and the values that must not be found again."""
    frame = trips(n, seed=first, start=str(pd.Timestamp("2026-01-01") + pd.Timedelta(hours=first)))
    rng = np.random.default_rng(first)
    chosen = rng.choice(cards, n)
    return frame.assign(
        card=[f"TELLTALE-CARD-{k}" for k in chosen],
        badge=rng.choice(BADGES, n),
        name=[f"TELLTALE-NAME-{first + i}" for i in range(n)],
        pin=PINS[first : first + n],
        minutes=frame["minutes"] + 10.0 * chosen,
    )


def workspace(root, store: str = STORE, model: str = 'members = ["linear"]'):
    root.mkdir(parents=True)
    cases(250).to_csv(root / "trips.csv", index=False)
    toml = TOML.format(task="regression", target="minutes").replace('["km", "stops", "to"]', str(FEATURES))
    toml = toml.replace("\n[retrain]", f'{model}\n[retrain]\nrecipes = ["everything"]')
    (root / "workbench.toml").write_text(toml + EXTRA + store)
    return load_settings(root)


def retrain(settings, name: str, promote="gate"):
    metrics = MetricsStore.of(settings)
    outcome = ModelRetrainer(settings, VersionStore(settings.versions_dir), metrics).retrain(name, promote=promote)
    metrics.close()
    return outcome


def contents(path) -> list[tuple[str, bytes]]:
    """A file's bytes, and what is packed in them: members of an archive, values of a table."""
    data = path.read_bytes() if hasattr(path, "read_bytes") else path[1]
    name = str(path) if hasattr(path, "read_bytes") else path[0]
    found = [(name, data)]
    if name.endswith(".tar.gz"):
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            found += [part for m in tar if m.isfile() for part in contents((m.name, tar.extractfile(m).read()))]
    elif name.endswith(".gz"):
        found.append((name, gzip.decompress(data)))
    elif name.endswith(".parquet"):
        table = pq.read_table(io.BytesIO(data))
        found.append((name, f"{table.schema}{table.to_pydict()}".encode()))
    return found


def telling(root) -> set[str]:
    """The files below a folder that hold a value that was to be kept out, but for the owner's own data."""
    doubles = [struct.pack("<d", number) for number in (*BADGES, *PINS[:300:10])]
    return {
        name
        for path in root.rglob("*")
        if path.is_file() and path.name != "trips.csv"
        for name, data in contents(path)
        if any(t.search(data) for t in TELLTALES) or any(d in data for d in doubles)
    }
