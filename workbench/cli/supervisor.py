"""Start processes, watch over them, replace those that die, and leave none behind.

Children live in sessions of their own, so Ctrl-C reaches the supervisor alone and it ends them in order; should the
supervisor itself be killed, the kernel tells them to end (Linux).
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from workbench.errors import SettingsError, WorkbenchError

FIRST_WAIT_S, LONGEST_WAIT_S, CALM_S = 0.5, 30.0, 60.0
# So long a child may take to end, if it is not said otherwise.
STOP_S = 15.0
PR_SET_PDEATHSIG = 1


@dataclass
class Child:
    """A process to keep running; its output goes to `log`, or to this process's own.

    `ended` is called each time it has ended and will be replaced.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    pass_fds: tuple[int, ...] = ()
    log: Path | None = None
    ended: Callable[[], None] = lambda: None
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    wait_s: float = FIRST_WAIT_S
    again_at: float | None = None

    def start(self) -> None:
        output = None
        if self.log:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            output = open(self.log, "ab")  # noqa: SIM115  closed below, once the child has it
        try:
            self.process = subprocess.Popen(
                list(self.argv),
                env={**os.environ, **self.env},
                pass_fds=self.pass_fds,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
        finally:
            if output:
                output.close()
        self.started, self.again_at = time.monotonic(), None


class Supervisor:
    """Watches over some children until it is told to stop.

    Use as a context: the children start on entry, in order, and are ended on the way out, last one first.
    SIGTERM, SIGINT and SIGHUP set `stopping`. On the way out the children have `stop_s` to end by themselves.
    """

    def __init__(
        self, children: Sequence[Child], *, say: Callable[[str], None] = print, stop_s: float | None = None
    ) -> None:
        self.children = list(children)
        self.stopping = False
        self._say = say
        self._stop_s = stop_s
        self._before: dict[int, object] = {}

    def __enter__(self) -> Supervisor:
        # A closed terminal ends everything, as Ctrl-C does.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            self._before[number] = signal.signal(number, self._stop_asked)
        try:
            for child in self.children:
                child.start()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.end()
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal() itself gave back

    def _stop_asked(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True

    def look(self) -> None:
        """Replace children that ended, later and later if one keeps ending."""
        now = time.monotonic()
        for child in self.children:
            if child.again_at is not None:
                if now >= child.again_at:
                    child.start()
            elif child.process is not None and child.process.poll() is not None:
                child.wait_s = FIRST_WAIT_S if now - child.started > CALM_S else min(2 * child.wait_s, LONGEST_WAIT_S)
                child.again_at = now + child.wait_s
                where = f"; see {child.log}" if child.log else ""
                child.ended()
                self._say(f"{child.name} ended ({_how(child.process.returncode)}); starting it again{where}")

    def run(self) -> None:
        """Watch until told to stop."""
        while not self.stopping:
            self.look()
            time.sleep(0.2)

    def until(self, ready: Callable[[], bool], what: str, timeout_s: float = 90.0) -> None:
        """Wait for something that the children bring about; returns early if told to stop.

        Raises
        ------
        WorkbenchError
            If a child ends, or it takes too long.
        """
        deadline = time.monotonic() + timeout_s
        while not self.stopping and not ready():
            for child in self.children:
                if child.process is not None and child.process.poll() is not None:
                    where = f"; see {child.log}" if child.log else ""
                    raise WorkbenchError(f"{child.name} did not start ({_how(child.process.returncode)}){where}")
            if time.monotonic() > deadline:
                logs = ", ".join(str(c.log) for c in self.children if c.log)
                raise WorkbenchError(f"{what} was not ready within {timeout_s:g} s; see {logs or 'above'}")
            time.sleep(0.1)

    def end(self) -> None:
        """SIGTERM to all, then SIGKILL to the groups of those that stay."""
        running = [c for c in reversed(self.children) if c.process is not None and c.process.poll() is None]
        for child in running:
            _signal(child, signal.SIGTERM)
        stop_s = STOP_S if self._stop_s is None else self._stop_s
        deadline = time.monotonic() + stop_s
        for child in running:
            assert child.process is not None
            try:
                child.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._say(f"{child.name} did not end within {stop_s:g} s; killed")
        for child in self.children:
            # What a child started and did not take along shares its group.
            _signal_group(child)


def claim_port(host: str, port: int, setting: str) -> socket.socket:
    """A socket that holds an address for one's children, or an error that names the port and the setting.

    On Linux it does not listen: each child binds one of its own beside it (SO_REUSEPORT), nobody else can. Elsewhere
    the children share it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        # Only who listens finds out for sure that nobody else does.
        listener.listen(2048)
        return _holder(listener) if sys.platform == "linux" else listener
    except OSError as error:
        listener.close()
        variable = "WORKBENCH_" + setting.replace("[", "").replace("] ", "__").upper()
        raise SettingsError(
            f"port {port} on {host} is taken or not allowed ({error.strerror}); free it, or choose another with "
            f"{setting} in workbench.toml or {variable} in the environment"
        ) from error


def _holder(listener: socket.socket) -> socket.socket:
    """A socket on a listener's address that does not listen, in place of the listener; there is no moment between."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    holder = socket.socket(listener.family)
    for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
        holder.setsockopt(socket.SOL_SOCKET, option, 1)
    holder.bind(listener.getsockname())
    # Where both allow it, the kernel lets another one bind an address that nobody listens on yet.
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    listener.close()
    return holder


def check_port(host: str, port: int, setting: str) -> None:
    """As `claim_port`, for a process that will bind it by itself."""
    claim_port(host, port, setting).close()


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _signal(child: Child, number: int) -> None:
    assert child.process is not None
    if child.process.poll() is None:
        child.process.send_signal(number)


def _signal_group(child: Child) -> None:
    if child.process is None:
        return
    try:
        os.killpg(child.process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
    child.process.wait()


def _how(code: int | None) -> str:
    return f"signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit code {code}"
