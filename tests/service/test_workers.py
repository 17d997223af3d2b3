"""Several workers are one service: whichever answers, the window, the counters and the summary are the same."""

import json
import os
import signal
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.benchmarks import load, switching
from tests.conftest import until
from tests.processes import child_of, run, serving
from workbench.cli.serve import NICENESS
from workbench.metrics_store import MetricsStore
from workbench.tokens import maintenance_token
from workbench.version_store import VersionStore

pytestmark = pytest.mark.slow
WORKERS = (1, 2)


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return switching.small_workspace(tmp_path_factory.mktemp("workers") / "ws", workers=len(WORKERS))


@pytest.fixture(scope="module")
def process(settings):
    with serving(settings) as process:
        until(lambda: workers_told(settings) == {1: "first", 2: "first"})
        yield process


@pytest.fixture(scope="module")
def asked(settings):
    """Bodies of one row, and what each version says to them."""
    return switching.questions(settings)


def talk(settings, *asked, worker=None):
    """Answers over one fresh connection, and so by one worker, whose number comes first; None if it is another one."""
    connection = HTTPConnection(settings.service.host, settings.service.port, timeout=30)
    headers = {"Authorization": f"Bearer {maintenance_token(settings.root)}", "Content-Type": "application/json"}
    answers = []
    try:
        for path, body in [("/health", None), *asked]:
            connection.request("POST" if body else "GET", path, body, headers)
            answer = connection.getresponse()
            told = answer.read()
            assert answer.status == 200, told
            answers.append(told)
            if worker is not None and json.loads(answers[0])["worker"] != worker:
                return None
    finally:
        connection.close()
    return [json.loads(answers[0])["worker"], *answers[1:]]


def by_each(settings, *asked):
    """What each worker answers."""
    found = {}

    def all_of_them():
        worker, *answers = talk(settings, *asked)
        found.setdefault(worker, answers)
        return set(found) == set(WORKERS)

    until(all_of_them)
    return [found[worker] for worker in WORKERS]


def summary(settings):
    return json.loads(talk(settings, ("/maintenance/summary", None))[1])


def workers_told(settings):
    return {w["worker"]: w["version"] for w in summary(settings)["workers"]}


def counters(text):
    """What does not count the asking for it, nor the life of one process."""
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
        if sample.labels.get("path") not in ("/metrics", "/health", "/ready", "/maintenance/summary")
        and sample.name.endswith(("_total", "_count", "_bucket"))
        and not sample.name.startswith("workbench_worker_")
    }


def predicted(found):
    return sum(value for (name, *_), value in found.items() if name == "workbench_predictions_total")


def ask(settings, bodies, **more):
    return load.start(settings.service.host, settings.service.port, "/predict", bodies, keep_answers=True, **more)


def ids_of(loaded):
    right = [text for code, (_, text) in zip(loaded.codes, loaded.answers, strict=True) if code == 200]
    return [name for text in right for name in msgspec.json.decode(text)["prediction_ids"]]


def test_one_exact_window_in_order_whichever_worker_answers(settings, process, asked):
    answered = [
        (worker, *json.loads(answer)["prediction_ids"])
        for worker, answer in (talk(settings, ("/predict", asked[0][i])) for i in range(40))
    ]
    assert {worker for worker, _ in answered} == set(WORKERS)
    window = MetricsStore.of(settings).window()
    assert [p.id for p in window][-len(answered) :] == [name for _, name in answered]


def test_what_many_connections_ask_at_once_is_recorded_once_each(settings, process, asked):
    loaded = ask(settings, asked[0], concurrency=32, requests=400).result()
    names = ids_of(loaded)
    assert (loaded.statuses, len(set(names))) == ({200: 400}, 400)
    window = [p.id for p in MetricsStore.of(settings).window()]
    assert sorted(window[-400:]) == sorted(names)
    # Both have a fair share: the kernel shares connections out.
    writers = [name.rsplit("-", 1)[0] for name in names]
    assert min(writers.count(writer) for writer in set(writers)) > 40
    assert len(set(writers)) == len(WORKERS)


def test_a_worker_that_answers_has_loaded_neither_pandas_nor_scikit_learn(settings, process, asked):
    worker, _ = talk(settings, ("/predict", asked[0][0]))
    mapped = " ".join(m.path for m in child_of(process, "service", str(worker)).memory_maps())
    assert "numba" in mapped
    assert not [name for name in ("pandas", "sklearn", "pyarrow", "joblib") if f"/{name}/" in mapped]


def test_the_maintainer_gives_way_to_the_workers(settings, process):
    until(lambda: child_of(process, "maintain").nice() == os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)
    assert child_of(process, "service", "1").nice() == os.getpriority(os.PRIO_PROCESS, 0)


def test_every_worker_tells_the_counters_and_the_summary_of_all(settings, process, asked):
    ask(settings, asked[0], concurrency=16, requests=100).result()
    recorded = MetricsStore.of(settings).count()
    until(lambda: predicted(counters(talk(settings, ("/metrics", None))[1])) == recorded)
    keys = ("live", "window", "drift", "performance", "last_decision", "steering", "retrain")

    def agree() -> bool:
        """A check may end between the two answers."""
        found[:] = by_each(settings, ("/metrics", None), ("/maintenance/summary", None))
        one, other = (json.loads(answers[1]) for answers in found)
        return all(one[key] == other[key] for key in keys) and counters(found[0][0]) == counters(found[1][0])

    found: list = []
    until(agree, timeout_s=30)
    first, second = found
    for text in (first[0].decode(), second[0].decode()):
        assert all(f'workbench_worker_cpu_seconds_total{{worker="{number}"}}' in text for number in WORKERS)
        assert all(f'workbench_worker_info{{version="first",worker="{number}"}} 1.0' in text for number in WORKERS)
    one, other = (json.loads(answers[1]) for answers in (first, second))
    assert one["window"]["n"] == recorded == one["service"]["all"]["rows"] == other["service"]["all"]["rows"]
    for told in (one, other):
        assert {w["worker"]: w["version"] for w in told["workers"]} == {1: "first", 2: "first"}


def test_a_killed_worker_loses_no_acknowledged_prediction_and_no_count(settings, process, asked):
    before = counters(talk(settings, ("/metrics", None))[1])
    victim = child_of(process, "service", "2")
    running = ask(settings, asked[0], concurrency=8, seconds=4)
    recorded = MetricsStore.of(settings).count()
    until(lambda: MetricsStore.of(settings).count() > recorded + 50)
    os.kill(victim.pid, signal.SIGKILL)
    loaded = running.result()
    # Connections that broke are told apart from answers; nobody was told a failure.
    assert set(loaded.statuses) <= {200, load.BROKEN}
    assert loaded.statuses[load.BROKEN] <= 8
    history = [p.id for p in MetricsStore.of(settings).history()]
    assert set(ids_of(loaded)) <= set(history)
    assert len(history) == len(set(history))

    until(lambda: (new := child_of(process, "service", "2")) and new.pid != victim.pid)
    until(lambda: talk(settings, worker=2))
    until(lambda: workers_told(settings) == {1: "first", 2: "first"} and len(summary(settings)["workers"]) == 2)
    again = ask(settings, asked[0], concurrency=8, requests=50).result()
    assert again.statuses == {200: 50}
    # What was answered and not yet counted when it died is missing: a few milliseconds of it.
    most = MetricsStore.of(settings).count()
    until(lambda: predicted(counters(talk(settings, ("/metrics", None))[1])) >= most - 200)
    for found in (counters(answers[0]) for answers in by_each(settings, ("/metrics", None))):
        assert all(found[name] >= value for name, value in before.items())
        assert predicted(found) <= most
    # By number of the worker, not by process: each death would leave files.
    folder = Path(child_of(process, "service", "2").environ()["PROMETHEUS_MULTIPROC_DIR"])
    assert {path.stem.rsplit("_", 1)[1] for path in folder.glob("*.db")} == {"1", "2"}


def shown(settings, token, address):
    """Which worker a token is shown to, from an address of this machine, and what it says."""
    connection = HTTPConnection(settings.service.host, settings.service.port, timeout=30, source_address=(address, 0))
    with closing(connection):
        connection.request("GET", "/health")
        worker = json.loads(connection.getresponse().read())["worker"]
        connection.request("GET", "/maintenance/versions", headers={"Authorization": f"Bearer {token}"})
        return worker, connection.getresponse().status


def test_a_new_token_counts_at_once_for_every_worker(settings, process):
    old = maintenance_token(settings.root)
    new = run(settings.root, "token", "--rotate").strip()
    assert new == maintenance_token(settings.root) != old
    found = [shown(settings, new, "127.0.0.2") for _ in range(20)]
    assert set(found) == {(worker, 200) for worker in WORKERS}
    assert shown(settings, old, "127.0.0.2")[1] == 401


def test_wrong_tokens_are_counted_together_whichever_worker_is_shown_them(settings, process):
    most = settings.service.token_failures
    found = [shown(settings, "wrong", "127.0.0.3") for _ in range(most + 20)]
    assert [status for _, status in found] == [401] * most + [429] * 20
    assert {worker for worker, _ in found[most:]} == set(WORKERS)


def test_all_workers_follow_switches_under_load_and_every_answer_is_right(settings, process):
    outcome = switching.play(settings, requests=2_000, switches=3, rest_s=0.5, apart_s=1.0)
    assert outcome.requests >= 2_000
    assert (outcome.failed, outcome.wrong) == (0, 0)
    assert min(outcome.by_version.values()) > 100
    kept = {p.id for p in MetricsStore.of(settings).history()}
    assert set(outcome.ids) <= kept
    live = VersionStore(settings.versions_dir).live_id()
    until(lambda: workers_told(settings) == {1: live, 2: live})
    for answers in by_each(settings, ("/predict", switching.questions(settings)[0][0])):
        assert json.loads(answers[0])["model_version"] == live
