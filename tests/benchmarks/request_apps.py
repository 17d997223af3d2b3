"""The apps that request_path.py asks, a process each: `python -m tests.benchmarks.request_apps KIND ROOT FD`.

"ours" is a worker as `serve` starts it; the others stand behind a plain uvicorn with the same event loop and parser.
"""

import socket
import sys
from typing import Any

import pandas as pd
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from service.__main__ import server
from service.app import create_app
from workbench.settings import Settings, load_settings
from workbench.version_store import VersionStore


class Body(BaseModel):
    """What the usual app takes."""

    instances: list[dict[str, float | str | None]]


def bare(settings: Settings) -> Any:
    """A constant, whatever is asked."""
    app = FastAPI()

    @app.post("/predict")
    async def predict() -> dict[str, Any]:
        return {
            "predictions": [1.2345678901234567],
            "prediction_ids": ["20261122T001500123456Z-42-a1b2c3-0000007"],
            "model_version": "first",
        }

    return app


def usual(settings: Settings) -> Any:
    """What most write: a pydantic body, a DataFrame, `pipeline.predict`."""
    pipeline = VersionStore(settings.versions_dir).load("first").estimator

    app = FastAPI()

    @app.post("/predict")
    async def predict(body: Body) -> dict[str, Any]:
        frame = pd.DataFrame(body.instances)
        return {"predictions": pipeline.predict(frame).tolist(), "model_version": "first"}

    return app


def plain(app: FastAPI) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(app, log_level="warning", access_log=False, loop="uvloop", http="httptools", server_header=False)
    )


SERVERS = {
    "ours": lambda settings: server(create_app(settings), settings),
    "bare": lambda settings: plain(bare(settings)),
    "usual": lambda settings: plain(usual(settings)),
}


if __name__ == "__main__":
    kind, root, fd = sys.argv[1:]
    with socket.socket(fileno=int(fd)) as listener:
        SERVERS[kind](load_settings(root)).run(sockets=[listener])
