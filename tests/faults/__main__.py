"""Break everything in its long form and print one table: `python -m tests.faults [ROOM ...] [--seed N] [--short]`.

A room is a module of this folder that has FAULTS: crash, disk, ...; without one, all of them are run.
"""

import argparse
import pkgutil
import tempfile
from importlib import import_module
from pathlib import Path

import tests.faults
from tests.faults.table import Fault, Skipped, table


def rooms() -> dict[str, list[Fault]]:
    names = [m.name for m in pkgutil.iter_modules(tests.faults.__path__) if not m.name.startswith(("_", "test_"))]
    modules = {name: import_module(f"tests.faults.{name}") for name in names}
    return {name: module.FAULTS for name, module in modules.items() if hasattr(module, "FAULTS")}


def main() -> int:
    known = rooms()
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help=", ".join(known))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--short", action="store_true", help="as many rounds as the tests run")
    options = parser.parse_args()
    if unknown := set(options.rooms) - set(known):
        parser.error(f"no such room: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    rows = []
    for fault in (f for name in options.rooms or known for f in known[name]):
        with tempfile.TemporaryDirectory(prefix="fault-") as folder:
            try:
                outcome = fault.run(Path(folder), options.seed, fault.short if options.short else fault.rounds)
            except Skipped as why:
                print(f"skipped: {fault}: {why}", flush=True)
                continue
        rows.append((fault, outcome))
        print(f"{'held' if outcome.held else 'BROKEN'}: {fault}: {outcome}", flush=True)
    print(f"\n{table(rows)}")
    return 0 if all(outcome.held for _, outcome in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
