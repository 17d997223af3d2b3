"""`bench`: what this machine takes for a prediction, a record and a check of this workspace."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli.show import Json, print_json, print_table
from workbench.errors import UnknownVersion

if TYPE_CHECKING:
    from workbench.bench import Row
    from workbench.settings import Settings
    from workbench.stopwatch import Stage


# Among which the time is shared out.
STAGES = 18
# Requests that are timed together: the event loop is set going once for all of them.
TOGETHER = 20


def register(app: typer.Typer) -> None:
    app.command()(bench)


def bench(
    context: typer.Context,
    seconds: Annotated[float, typer.Option(min=0, help="About how long to measure; each stage at least 3 times.")] = 5,
    as_json: Json = False,
) -> None:
    """Time a prediction, a record and a check on this machine, stage by stage: the live version, its recorded inputs.

    Medians of repeated calls. What is written goes into a folder of its own beside the records, gone afterwards.
    """
    from threadpoolctl import threadpool_limits

    from workbench import bench as room
    from workbench import machine
    from workbench.metrics_store import MetricsStore
    from workbench.moments import utc_now
    from workbench.settings import load_settings
    from workbench.version_store import VersionStore

    settings = load_settings(context.obj)
    versions, metrics = VersionStore.of(settings), MetricsStore.of(settings)
    pointer = versions.live()
    if pointer is None:
        raise UnknownVersion("no version is live; train one with `python main.py`")
    live, served = versions.load(pointer.version_id), versions.serve(pointer.version_id)
    own = room.recorded(metrics, live)
    rows = own or room.sampled(live)
    budget_s = seconds / STAGES
    # One thread, as a worker has.
    with threadpool_limits(1), tempfile.TemporaryDirectory(dir=settings.root, prefix=".bench-") as folder:
        scratch = room.scratch_monitor(settings, Path(folder))
        room.fill(scratch, served, rows)
        told = {
            "prediction": [
                _whole_request(settings, Path(folder), rows, budget_s),
                *room.predicting(served, rows, scratch, budget_s),
            ],
            "record": room.recording(served, rows, scratch, budget_s),
            "check": room.checking(live, pointer, metrics, scratch, budget_s),
        }
        scratch.store.close()
    about = {
        "machine": machine.told(utc_now()),
        "version": live.id,
        "compiled": served.predictor.compiled is not None,
        "inputs": f"{len(rows)} {'recorded' if own else 'of the sample'}",
    }
    if as_json:
        print_json(about | told)
        return
    how = "compiled" if about["compiled"] else "through scikit-learn"
    print(f"{live.id}, answered {how}; {about['inputs']} inputs; {about['machine']}")
    for name, stages in told.items():
        print_table(f"a {name}, microseconds", ["", "median", "p90", "calls"], map(_row, stages))


def _row(stage: Stage) -> tuple[str, str, str, str]:
    return stage.name, f"{stage.median_us:,.1f}", f"{stage.p90_us:,.1f}", f"{stage.calls:,}"


def _whole_request(settings: Settings, folder: Path, rows: Sequence[Row], budget_s: float) -> Stage:
    """A request through the service's app, network left out; its records go into the folder, too."""
    import asyncio
    from itertools import cycle

    import msgspec

    from service.app import create_app
    from workbench.stopwatch import timed
    from workbench.tokens import HASH_KEY_FILE

    root = folder / "service"
    root.mkdir()
    (root / "versions").symlink_to(settings.versions_dir.resolve())
    if (settings.root / HASH_KEY_FILE).exists():
        (root / HASH_KEY_FILE).symlink_to((settings.root / HASH_KEY_FILE).resolve())
    # Whom the service lets in is not what is measured.
    service = settings.service.model_copy(update={"predict_token_file": None, "allowed_hosts": ("127.0.0.1",)})
    app = create_app(settings.model_copy(update={"service": service}).alone_in(root))
    bodies = cycle([msgspec.json.encode({"instances": [row]}) for row in rows])
    with asyncio.Runner() as runner:
        lifespan = app.router.lifespan_context(app)
        runner.run(lifespan.__aenter__())
        try:
            all_of_them = timed(
                "a whole request, without the network",
                lambda: runner.run(_ask(app, [next(bodies) for _ in range(TOGETHER)])),
                budget_s=budget_s,
            )
        finally:
            runner.run(lifespan.__aexit__(None, None, None))
    return msgspec.structs.replace(
        all_of_them,
        median_us=all_of_them.median_us / TOGETHER,
        p90_us=all_of_them.p90_us / TOGETHER,
        calls=all_of_them.calls * TOGETHER,
    )


async def _ask(app: Any, bodies: Sequence[bytes]) -> None:
    for body in bodies:
        await _ask_once(app, body)


async def _ask_once(app: Any, body: bytes) -> None:
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": "/predict",
        "raw_path": b"/predict",
        "root_path": "",
        "query_string": b"",
        "scheme": "http",
        "headers": [
            (b"host", b"127.0.0.1"),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    status = 0

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        nonlocal status
        status = message.get("status", status)

    await app(scope, receive, send)
    if status != 200:
        raise RuntimeError(f"the service answered {status} to an input of its own")
