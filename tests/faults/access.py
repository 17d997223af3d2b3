"""Who must not get in, and what must not get out.

Without the token every address below /maintenance answers 401 and the same words, whatever comes with it, and how long
that takes tells nothing of the token; the token is nowhere but in its file; and what is made is for its owner alone.
"""

import os
import random
import re
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from fastapi.routing import APIRoute
from scipy.stats import mannwhitneyu

from service.app import create_app
from service.failed_tokens import FailedTokens
from service.security import MAINTENANCE, OperatorOnly
from tests.faults.hostile import BODIES
from tests.faults.lives import OWN, live, workspace
from tests.faults.table import Fault, Outcome
from tests.faults.worker import Worker, request, trained, working
from workbench.panels.lock import Lock
from workbench.settings import Settings
from workbench.tokens import FILE, maintenance_token

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
ELSEWHERE = [
    f"{MAINTENANCE}{path}" for path in ("", "/", "/nothing", "/versions/", "/../maintenance/summary", "//events")
]
# As many wrong tokens a minute as a setting allows; after them it is 429.
WRONG_TOKENS = 1000
# Two samples of one distribution differ as much once in a million times.
CHANCE = 1e-6


def ways(token: str) -> dict[str, tuple[str, ...]]:
    """Headers that are not the token's, by what they are."""
    basic = "Authorization: Basic"
    return {
        "none": (),
        "an empty one": ("Authorization:",),
        "no token": ("Authorization: Bearer ",),
        "another scheme": (f"{basic} {token}",),
        "small letters": (f"Authorization: bearer {token}",),
        "all but the last": (f"Authorization: Bearer {token[:-1]}",),
        "one more": (f"Authorization: Bearer {token}x",),
        "the other case": (f"Authorization: Bearer {token.swapcase()}",),
        "a space before": (f"Authorization: Bearer  {token}",),
        "a wrong one first": ("Authorization: Bearer x", f"Authorization: Bearer {token}"),
        "two in one": (f"Authorization: Bearer x, Bearer {token}",),
        "no ASCII": ("Authorization: Bearer é\x80",),
        "another header": (f"X-Authorization: Bearer {token}", f"Proxy-Authorization: Bearer {token}"),
        "a cookie": (f"Cookie: token={token}; Authorization=Bearer {token}",),
        "from this machine": ("X-Forwarded-For: 127.0.0.1", "X-Real-IP: 127.0.0.1", "Forwarded: for=127.0.0.1"),
        "another address": (f"X-Original-URL: /health?token={token}", f"X-Rewrite-URL: /health?token={token}"),
    }


def routes(settings: Settings) -> list[tuple[str, str]]:
    """Method and address of all that lies below /maintenance, as the app has it, and of what does not."""
    app = create_app(settings)
    app.state.monitor.store.close()
    found = [route for route in _flat(app.routes) if route.path.startswith(MAINTENANCE)]
    assert found
    paths = [re.sub(r"{\w+}", "first", route.path) for route in found] + ELSEWHERE
    return [(method, path) for path in dict.fromkeys(paths) for method in METHODS]


def _flat(routes: list[Any]) -> list[APIRoute]:
    """Routes, and those of the routers among them."""
    return [
        one
        for route in routes
        for one in (_flat(route.original_router.routes) if hasattr(route, "original_router") else [route])
    ]


def no_token(folder: Path, seed: int, rounds: int) -> Outcome:
    """Every address by every method in every way that is not the token, each with some body."""
    settings, rng = trained(folder, token_failures=WRONG_TOKENS), random.Random(seed)
    token, asked, wrong, shown = maintenance_token(settings.root), 0, [], 0
    addresses = routes(settings)
    with working(settings) as worker:
        before = state(settings.root)
        for _ in range(rounds):
            for method, path in addresses:
                way, headers = rng.choice(list(ways(token).items()))
                name, make = rng.choice(list(BODIES.items()))
                body, more = make(rng, {"reason": "x"}) if method not in ("GET", "HEAD") else (b"", ())
                query = rng.choice(["", f"?token={token}", f"?access_token={token}"])
                (answer,) = worker.tell(request(path + query, body, *headers, *more, method=method), method=method)
                asked += 1
                shown += any(header.startswith("Authorization: ") for header in headers)
                refused = answer.status == 401 and answer.headers["www-authenticate"] == "Bearer"
                told = b"a bearer token is needed" in answer.body or method == "HEAD"
                if not (refused and told) and not (answer.status == 429 and shown >= WRONG_TOKENS):
                    wrong.append(f"{method} {path}, {way}, {name}: {answer.status} {answer.body[:200]!r}")
        if state(settings.root) != before:
            wrong.append("something was changed")
    with working(settings) as worker:
        wrong += [f"{path}: the token is refused" for path in _closed(worker, token, addresses)]
    for line in wrong[:20]:
        print(line)
    return Outcome(rounds, f"{asked:,} answers of {len(addresses)} addresses and methods", 0, len(wrong))


def _closed(worker: Worker, token: str, addresses: list[tuple[str, str]]) -> list[str]:
    """The addresses where not even the token helps: what was refused before was refused for want of it."""
    bearer = f"Authorization: Bearer {token}"
    asked = [path for method, path in addresses if method == "PATCH"]
    return [p for p in asked if worker.tell(request(p, b"", bearer, method="PATCH"))[0].status not in (404, 405)]


def state(root: Path) -> dict[str, int]:
    """The sizes of what a stranger must not change: all but the notes of requests."""
    return {
        str(path): path.stat().st_size
        for path in root.rglob("*")
        if path.is_file() and path.parent.name != "service" and path.suffix != ".lock"
    }


def timing(folder: Path, seed: int, rounds: int) -> Outcome:
    """How long a refusal takes, of tokens that are right but for the end and of tokens that are wrong from the start.

    In turns by chance, in this process; a rank test says whether the two could be one distribution.
    """
    settings, rng = trained(folder), random.Random(seed)
    token = maintenance_token(settings.root)
    right, other = token[:-1] + ("A" if token[-1] != "A" else "B"), "".join("A" if c != "A" else "B" for c in token)
    doors: dict[str, Callable[[str], None]] = {"the service": _service(settings), "the dashboard": _dashboard(settings)}
    wrong = []
    for name, refuse in doors.items():
        took: dict[str, list[int]] = {right: [], other: []}
        for given in rng.sample([right, other] * rounds, 2 * rounds):
            begun = time.perf_counter_ns()
            refuse(given)
            took[given].append(time.perf_counter_ns() - begun)
        found = mannwhitneyu(took[right], took[other])
        if found.pvalue < CHANCE:
            wrong.append(f"{name}: p = {found.pvalue:.2g}")
    for line in wrong:
        print(line)
    return Outcome(rounds, f"{2 * len(doors)} x {rounds:,} refusals, of {len(doors)} doors", 0, len(wrong))


def _service(settings: Settings) -> Callable[[str], None]:
    """The guard of /maintenance, refusing one token; what it answers is thrown away."""
    guard, refused = OperatorOnly(lambda *_: None, settings), []
    app = SimpleNamespace(state=SimpleNamespace(settings=settings, failed_tokens=FailedTokens(10**9)))

    async def send(message: Any) -> None:
        refused.append(message.get("status", 401) == 401)

    def refuse(token: str) -> None:
        scope = {
            "type": "http",
            "path": MAINTENANCE,
            "method": "GET",
            "app": app,
            "state": {"request_id": b"x"},
            "client": ("127.0.0.1", 1),
            "headers": [(b"authorization", b"Bearer " + token.encode())],
        }
        # It waits for nobody here, and so needs no loop, whose time would be measured along.
        with suppress(StopIteration):
            guard(scope, send, send).send(None)
        assert refused
        assert all(refused)
        refused.clear()

    return refuse


def _dashboard(settings: Settings) -> Callable[[str], None]:
    lock = Lock(settings)

    def refuse(token: str) -> None:
        lock.token.value = token
        lock.unlock.click()
        assert lock.locked

    return refuse


def life(folder: Path, seed: int, rounds: int) -> Outcome:
    """A workspace's whole life, from the first training to a backtest, by a user who lets everybody write, and one who
    lets everybody read; its token is looked for wherever it does not belong, and what it made for who may touch it.
    """
    wrong, files, seen = [], 0, 0
    for turn, umask in enumerate([0o000, 0o022][:rounds]):
        before = os.umask(umask)
        try:
            settings = workspace(folder / str(turn))
            told = live(settings)
        finally:
            os.umask(before)
        secrets = [maintenance_token(settings.root), (settings.root / "apps.token").read_text().strip()]
        wrong += [
            f"{umask:03o}: {what} tells a token" for what, text in told.items() if any(s in text for s in secrets)
        ]
        made = [path for path in settings.root.rglob("*") if path.name not in OWN and not path.is_symlink()]
        for path in made:
            mode = path.stat().st_mode
            if mode & 0o077:
                wrong.append(f"{umask:03o}: {path.relative_to(settings.root)} is {stat.filemode(mode)}")
            if path.is_file() and path.name != FILE and any(s.encode() in path.read_bytes() for s in secrets):
                wrong.append(f"{umask:03o}: {path.relative_to(settings.root)} holds a token")
        files, seen = files + len(made), seen + len(told)
    for line in wrong[:40]:
        print(line)
    return Outcome(rounds, f"{files:,} files and folders, {seen:,} answers, outputs and processes", 0, len(wrong))


FAULTS = [
    Fault("/maintenance without the token", no_token, rounds=40, short=1),
    Fault("timing of wrong tokens", timing, rounds=20_000, short=1_500),
    Fault("a whole life: token, files", life, rounds=2, short=1),
]
