"""`python -m service.alive`: ends with 0 if the service of this workspace answers, for whoever restarts it if not.

It asks /health and not /ready: a service that waits for its first version is alive, and no restart would help it.
"""

from __future__ import annotations

import sys
import urllib.request

from workbench.exposure import service_url, trust
from workbench.settings import load_settings

PATIENCE_S = 4.0


def main() -> int:
    settings = load_settings()
    trusted = trust(settings)
    handlers = [] if isinstance(trusted, bool) else [urllib.request.HTTPSHandler(context=trusted)]
    # It stands on this machine: no proxy is asked about it.
    asking = urllib.request.build_opener(urllib.request.ProxyHandler({}), *handlers)
    try:
        with asking.open(f"{service_url(settings)}/health", timeout=PATIENCE_S):
            return 0
    except OSError as error:
        sys.stderr.write(f"the service does not answer: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
