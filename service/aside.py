"""Commands of the command line in processes of their own: the same a person would type, on this workspace.

What takes long or loads a model runs aside: at the lowest priority, one at a time over all workers, for a limited time,
and no longer than somebody waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Awaitable, Callable

import filelock
import msgspec
from fastapi import HTTPException, Request, Response

from workbench import errors
from workbench.settings import Settings

log = logging.getLogger("workbench.service")


class Trouble(msgspec.Struct, frozen=True):
    """A command's error, as it tells one that runs it aside."""

    kind: str
    message: str


# Exit code, output and trouble of a command in a workspace.
CommandLine = Callable[..., Awaitable[tuple[int | None, bytes, bytes]]]


async def own_process(settings: Settings, *words: str) -> tuple[int | None, bytes, bytes]:
    """Run one command to its end in a process of its own."""
    process = await _start(settings, *words)
    output, trouble = await process.communicate()
    return process.returncode, output, trouble


async def command(request: Request, *words: str, done: tuple[int, ...] = (0,)) -> Response:
    """Run one command; its error message is ours."""
    command_line: CommandLine = request.app.state.command_line
    code, output, trouble = await command_line(request.app.state.settings, *words)
    if code in done and output:
        return Response(output, media_type="application/json")
    told = trouble.decode(errors="replace").strip()
    if not told.startswith("error: "):
        raise RuntimeError(f"{words[0]} ended with {code}: {told[-2000:]}")
    raise HTTPException(409, told.removeprefix("error: "))


async def aside(request: Request, *words: str) -> Response:
    """Run one command that only looks, aside; its error is ours.

    Raises
    ------
    Busy
        While another one runs, for whichever worker.
    HTTPException
        503 if it takes longer than `[service] aside_limit_s`; 500 if it died.
    """
    settings: Settings = request.app.state.settings
    settings.metrics_dir.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(settings.metrics_dir / "aside.lock", blocking=False):
            # Threads of a model that is asked in batches must leave the workers room.
            process = await _start(settings, *words, "--aside", OMP_NUM_THREADS=str(settings.retrain.threads))
            told = await _until_done(request, process, settings.service.aside_limit_s)
    except filelock.Timeout as error:
        raise errors.Busy("another what-if or comparison is under way; ask again when it has ended") from error
    if told is None:
        # Nobody reads this: the client is gone.
        return Response(status_code=499)
    output, trouble = told
    if process.returncode == 0 and output:
        return Response(output, media_type="application/json")
    try:
        found = msgspec.json.decode(trouble.splitlines()[-1] if trouble else b"", type=Trouble)
    except msgspec.DecodeError as error:
        why = trouble.decode(errors="replace")[-2000:]
        request_id = request.state.request_id.decode()
        log.error("request %s: %s ended with %s: %s", request_id, words[0], process.returncode, why)
        raise HTTPException(500, f"{words[0]} ended with {process.returncode}; the service's log says more") from error
    kind: type[errors.WorkbenchError] = getattr(errors, found.kind, errors.WorkbenchError)
    raise kind(found.message)


async def _start(settings: Settings, *words: str, **environment: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "workbench.cli", "--root", str(settings.root), *words, "--json"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | environment,
    )


async def _until_done(
    request: Request, process: asyncio.subprocess.Process, limit_s: float
) -> tuple[bytes, bytes] | None:
    """What a process wrote; None if its client hung up. However this ends, so has the process."""
    talk, gone = asyncio.ensure_future(process.communicate()), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({talk, gone}, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        if talk.done():
            return talk.result()
        if gone.done():
            return None
        raise HTTPException(
            503, f"stopped after {limit_s:g} s ([service] aside_limit_s); ask about fewer rows, or on the command line"
        )
    finally:
        gone.cancel()
        if process.returncode is None:
            # It may have ended by itself since.
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await asyncio.gather(talk, gone, return_exceptions=True)


async def _gone(request: Request) -> None:
    """Returns when the client has hung up."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
