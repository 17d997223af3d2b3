"""One worker: `python -m service --root DIR --fd N --worker I` answers on a socket that `serve` has bound."""

from __future__ import annotations

import argparse
import logging
import socket

import uvicorn

from service.app import create_app
from workbench.settings import load_settings


def main() -> None:
    parser = argparse.ArgumentParser(description="One worker of the service; `python main.py serve` starts it.")
    parser.add_argument("--root", required=True, help="Workspace folder.")
    parser.add_argument("--fd", required=True, type=int, help="Of the listening socket.")
    parser.add_argument("--worker", type=int, default=1, help="Its number.")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    app = create_app(load_settings(options.root), worker=options.worker)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, timeout_graceful_shutdown=10, server_header=False
    )
    with socket.socket(fileno=options.fd) as listener:
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
