"""One worker: `python -m service --root DIR --fd N --worker I` answers on the address of a socket that `serve` has."""

from __future__ import annotations

import argparse
import gc
import os
import socket
import sys
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.exposure import check_exposure, tls_files
from workbench.files import for_owner_alone
from workbench.logs import log_to
from workbench.settings import Settings, load_settings

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

# A thread that loads a version holds the interpreter for as long before others have their turn; Python's own 5 ms, some
# times a request, add up for those who ask meanwhile.
TURN_S = 0.0005


def main() -> None:
    parser = argparse.ArgumentParser(description="One worker of the service; `python main.py serve` starts it.")
    parser.add_argument("--root", required=True, help="Workspace folder.")
    parser.add_argument("--fd", required=True, type=int, help="Of the socket that holds the address.")
    parser.add_argument("--worker", type=int, default=1, help="Its number.")
    parser.add_argument("--shelf", type=Path, help="Folder where the workers share arrays in memory.")
    options = parser.parse_args()
    for_owner_alone()
    sys.setswitchinterval(TURN_S)
    settings = load_settings(options.root)
    log_to(settings.service.log)
    check_exposure(settings)
    counters = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if counters is not None:
        count_as(options.worker)
    # Here, and not above: a metric without labels has its file from the moment its module is imported.
    from service.app import create_app

    together = Path(counters) if counters else None
    app = create_app(settings, worker=options.worker, together=together, shelf=options.shelf)
    # What is there from the start stays: the collector need not look through it again and again.
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=options.fd) as held, own_socket(held) as own:
        # It listens once the app has started up: whoever is connected is answered.
        server(app, settings).run(sockets=[own])


def server(app: ASGIApp, settings: Settings) -> uvicorn.Server:
    """The app behind limits on connections, with or without TLS; told to end, it answers first what is under way."""
    import uvicorn

    from service.connections import connections
    from service.headers import SECURITY_HEADERS

    service = settings.service
    cert, key = tls_files(settings) or (None, None)
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=connections(service),
            ws="none",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            headers=SECURITY_HEADERS,
            # Without proxies that are known, who says to come from elsewhere does not.
            proxy_headers=bool(service.proxies),
            forwarded_allow_ips=list(service.proxies),
            ssl_certfile=cert,
            ssl_keyfile=key,
            timeout_graceful_shutdown=ceil(service.drain_s),
        )
    )


def own_socket(held: socket.socket) -> socket.socket:
    """A socket of this worker alone on the address; on systems whose kernel shares no connections out, the one held.

    On one socket for all, the worker that wakes first accepts whatever waits: 30 of 32 connections or all.
    And with one of its own, nobody is left waiting for a worker that has died: its socket died with it.
    """
    if sys.platform != "linux":
        return held.dup()
    own = socket.socket(held.family)
    for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
        own.setsockopt(socket.SOL_SOCKET, option, 1)
    own.bind(held.getsockname())
    return own


def count_as(worker: int) -> None:
    """Count on where the worker of this number before this one stopped; by process, each death would leave files."""
    from prometheus_client import values

    values.ValueClass = values.MultiProcessValue(lambda: worker)


if __name__ == "__main__":
    main()
