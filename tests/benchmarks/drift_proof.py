"""The proof behind the drift verdict, as tables on stdout: false alarms, power, others beside it, and cost.

    python -m tests.benchmarks.drift_proof [--quick] [--only falsealarms|whole|power|peers|cost] [--seed N]

Seeded: but for the seconds, the same seed gives the same figures. Nothing fails here if a figure is bad; read it.
"""

import argparse
import time

from tests.benchmarks import beside_peers, cost, false_alarms, power, whole_check

PARTS = {"falsealarms": false_alarms, "whole": whole_check, "power": power, "peers": beside_peers, "cost": cost}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few windows: does it run, not what is true")
    parser.add_argument("--only", choices=PARTS, help="one part")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    start = time.monotonic()
    for name in [asked.only] if asked.only else PARTS:
        for table in PARTS[name].tables(quick=asked.quick, seed=asked.seed):
            print(table, end="\n\n", flush=True)
    print(f"Seed {asked.seed}, {(time.monotonic() - start) / 60:.0f} minutes.")


if __name__ == "__main__":
    main()
