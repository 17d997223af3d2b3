import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack

import psutil
import pytest

from service.__main__ import own_socket
from tests.conftest import until
from workbench.cli import serve
from workbench.cli.supervisor import Child, Supervisor, check_port, claim_port
from workbench.errors import SettingsError, WorkbenchError

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(60)",
]


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_children_start_on_entry_and_are_gone_on_the_way_out():
    with Supervisor([Child("a", SLEEP), Child("b", SLEEP)]) as supervisor:
        pids = [c.process.pid for c in supervisor.children]
        assert all(map(alive, pids))
    assert not any(map(alive, pids))


def test_a_child_that_ends_is_replaced_and_that_is_said():
    said = []
    with Supervisor([Child("worker", SLEEP)], say=said.append) as supervisor:
        first = supervisor.children[0].process
        first.kill()
        first.wait()
        while supervisor.children[0].process is first:
            supervisor.look()
        assert alive(supervisor.children[0].process.pid)
    assert said == ["worker ended (signal SIGKILL); starting it again"]


def test_a_child_that_keeps_ending_is_started_later_and_later():
    child = Child("broken", [sys.executable, "-c", "raise SystemExit(3)"])
    with Supervisor([child], say=lambda text: None) as supervisor:
        waits = []
        while len(waits) < 2:
            before = child.again_at
            supervisor.look()
            if child.again_at is not None and before is None:
                waits.append(child.wait_s)
    assert waits[1] == 2 * waits[0]


def test_a_stubborn_child_and_its_own_children_are_killed(monkeypatch, tmp_path):
    monkeypatch.setattr("workbench.cli.supervisor.STOP_S", 0.5)
    code = (
        f"import subprocess, time; p = subprocess.Popen({STUBBORN!r}, stdout=-1); p.stdout.readline(); "
        f"open('grandchild', 'w').write(str(p.pid)); time.sleep(60)"
    )
    monkeypatch.chdir(tmp_path)
    told = tmp_path / "grandchild"
    with Supervisor([Child("parent", [sys.executable, "-c", code])], say=lambda text: None):
        until(lambda: told.exists() and told.read_text())
    until(lambda: not alive(int(told.read_text())), timeout_s=5)


def test_sigterm_and_ctrl_c_end_the_watch():
    for number in (signal.SIGTERM, signal.SIGINT):
        with Supervisor([Child("a", SLEEP)]) as supervisor:
            os.kill(os.getpid(), number)
            supervisor.run()
            assert supervisor.stopping


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells children of a killed parent on Linux")
def test_children_of_a_killed_supervisor_end_too():
    code = f"""
from workbench.cli.supervisor import *
with Supervisor([Child("a", {SLEEP!r})]) as supervisor:
    print(supervisor.children[0].process.pid, flush=True)
    supervisor.run()
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until(lambda: not alive(child), timeout_s=5)


def test_waiting_for_children_that_end_is_an_error_that_names_the_log(tmp_path):
    child = Child("broken", [sys.executable, "-c", "raise SystemExit(3)"], log=tmp_path / "logs" / "broken.log")
    with (
        Supervisor([child]) as supervisor,
        pytest.raises(WorkbenchError, match=r"broken did not start \(exit code 3\); see .*broken.log"),
    ):
        supervisor.until(lambda: False, "it")


def test_waiting_too_long_is_an_error():
    with (
        Supervisor([Child("slow", SLEEP)]) as supervisor,
        pytest.raises(WorkbenchError, match=r"the moon was not ready within 0.2 s"),
    ):
        supervisor.until(lambda: False, "the moon", timeout_s=0.2)


def test_a_taken_port_names_the_port_and_the_setting():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(
            SettingsError,
            match=rf"port {port} on 127.0.0.1 is taken .*\[service\] port in workbench.toml or WORKBENCH_SERVICE__PORT",
        ):
            claim_port("127.0.0.1", port, "[service] port")
    check_port("127.0.0.1", port, "[service] port")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere all workers share one socket")
def test_an_address_is_held_before_a_child_listens_and_while_they_do_and_each_gets_connections():
    with claim_port("127.0.0.1", 0, "[service] port") as held:
        port = held.getsockname()[1]

        def refused():
            with pytest.raises(SettingsError, match=f"port {port} on 127.0.0.1 is taken"):
                claim_port("127.0.0.1", port, "[service] port")

        refused()
        with own_socket(held) as first, own_socket(held) as second, ExitStack() as clients:
            for listener in (first, second):
                listener.listen()
                listener.setblocking(False)
            refused()
            for _ in range(64):
                clients.enter_context(socket.create_connection(("127.0.0.1", port)))
            # With fair dice, fewer than 10 of 64 for one of them comes once in 10^8.
            assert all(accepted(listener) >= 10 for listener in (first, second))
        refused()
    check_port("127.0.0.1", port, "[service] port")


def accepted(listener):
    count = 0
    while True:
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


def test_of_a_worker_that_ended_the_counts_stay_and_what_was_only_so_while_it_lived_goes(settings, tmp_path):
    both = settings.model_copy(update={"service": settings.service.model_copy(update={"workers": 2})})
    with claim_port("127.0.0.1", 0, "[service] port") as held:
        first, _ = serve.workers(both, held, tmp_path)
    counters = tmp_path / "counters"
    for name in ("counter_1", "gauge_livesum_1", "gauge_livesum_2"):
        (counters / f"{name}.db").touch()
    first.ended()
    assert sorted(path.stem for path in counters.glob("*.db")) == ["counter_1", "gauge_livesum_2"]


def test_a_child_is_told_of_its_end_before_it_is_started_again():
    told = []
    child = Child("worker", SLEEP, ended=lambda: told.append(child.process.returncode))
    with Supervisor([child], say=lambda text: None) as supervisor:
        child.process.kill()
        child.process.wait()
        supervisor.look()
        assert (told, child.process.returncode) == ([-signal.SIGKILL], -signal.SIGKILL)
    assert told == [-signal.SIGKILL]
