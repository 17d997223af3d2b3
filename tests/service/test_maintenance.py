import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import trips, until
from tests.walks import predictions, walk
from workbench.evaluation import ServiceResult, Traffic
from workbench.features import to_rows
from workbench.tokens import maintenance_token
from workbench.version_store import VersionStore


def test_a_rotated_token_counts_at_once(client):
    maintenance_token(client.settings.root, rotate=True)
    assert client.get("/maintenance/summary", headers=client.operator).status_code == 401


def test_another_host_is_refused(client):
    assert client.get("/health", headers={"Host": "evil.example"}).status_code == 400


def ask(client, method, path, **more):
    response = client.request(method, f"/maintenance{path}", headers=client.operator, **more)
    return response.status_code, response.json()


def traffic(client, n: int = 60):
    frame = trips(n, seed=4, start="2026-02-01")
    ids = client.post("/predict", json={"instances": to_rows(frame[["km", "stops", "to"]])}).json()["prediction_ids"]
    actuals = [{"prediction_id": i, "actual": y} for i, y in zip(ids, frame["minutes"], strict=True)]
    client.post("/feedback", json={"actuals": actuals})
    return ids


def test_a_check_is_written_and_read_back_by_every_view_of_it(client):
    traffic(client)
    status, evaluation = ask(client, "POST", "/check")
    assert (status, evaluation["n"], evaluation["performance"]["labelled"]) == (200, 60, 60)
    assert ask(client, "GET", "/evaluations")[1]["items"][0] == evaluation
    assert ask(client, "GET", "/drift")[1]["items"][0]["features"] == evaluation["drift"]["features"]
    assert ask(client, "GET", "/performance")[1]["items"][0]["metrics"] == evaluation["performance"]["metrics"]
    summary = ask(client, "GET", "/summary")[1]
    assert summary["drift"] == evaluation["drift"]
    assert (summary["window"]["n"], summary["live"]["version_id"]) == (60, "first")
    assert summary["service"]["all"]["requests"] == 1
    assert [w["version"] for w in summary["workers"]] == ["first"]


def test_history_is_paged_newest_first(client):
    ids = traffic(client, 25)
    seen, before = [], None
    while True:
        _, page = ask(client, "GET", "/predictions", params={"limit": 10} | ({"before": before} if before else {}))
        seen += [p["id"] for p in page["items"]]
        if (before := page["next"]) is None:
            break
    assert seen == ids[::-1]
    assert ask(client, "GET", "/predictions", params={"before": "gone"})[0] == 404
    assert ask(client, "GET", "/predictions", params={"limit": 0})[0] == 422


@pytest.mark.slow
def test_switching_pinning_and_rolling_back_go_through_the_command_line(two):
    assert ask(two, "POST", "/versions/second/activate", json={"reason": "try"})[1]["version_id"] == "second"
    assert ask(two, "POST", "/rollback", json={})[1]["version_id"] == "first"
    assert ask(two, "POST", "/pin", json={"version_id": "second", "reason": "audit"})[0] == 200
    assert ask(two, "GET", "/summary")[1]["steering"]["pinned"] == "second"
    assert ask(two, "POST", "/pin", json={"version_id": None})[0] == 200
    log = ask(two, "GET", "/versions")[1]
    assert log["live"]["version_id"] == "second"
    assert [(p["version_id"], p["by"]) for p in log["promotions"]][1:] == [
        ("second", "service"),
        ("first", "service"),
        ("second", "service"),
    ]
    kinds = [e["kind"] for e in ask(two, "GET", "/events")[1]["items"]]
    assert {"switched", "rolled_back", "pinned", "unpinned"} <= set(kinds)


@pytest.mark.slow
def test_a_broken_version_is_refused_with_its_reason_and_the_old_one_serves(two):
    (two.settings.versions_dir / "models" / "second" / "model.joblib").write_bytes(b"x")
    status, body = ask(two, "POST", "/versions/second/activate", json={})
    assert (status, "model.joblib has sha256" in body["detail"]) == (409, True)
    assert VersionStore(two.settings.versions_dir).live_id() == "first"


def test_unknown_things_are_404(client):
    for method, path, body in [
        ("GET", "/versions/nope", None),
        ("GET", "/versions/compare?a=first&b=nope", None),
        ("POST", "/versions/nope/activate", {}),
        ("POST", "/versions/nope/whatif", None),
        ("POST", "/pin", {"version_id": "nope"}),
        ("POST", "/accept", {"feature": "nope"}),
        ("POST", "/rollback", {}),
        ("GET", "/retrain/nope", None),
        ("DELETE", "/retrain/..%2F..%2Fx", None),
    ]:
        assert ask(client, method, path, json=body)[0] == 404, path


def test_pause_accept_and_resume_are_told_and_in_force(client):
    ask(client, "POST", "/pause", json={"reason": "holidays"})
    ask(client, "POST", "/accept", json={"feature": "km", "reason": "longer"})
    summary = ask(client, "GET", "/summary")[1]
    told = summary["steering"]
    assert (told["paused"], told["accepted"]) == ("holidays", {"km": "longer"})
    assert (summary["maintenance"]["phase"], summary["maintenance"]["hold"]) == ("paused", "paused: holidays")
    assert "workbench_held 1.0" in client.get("/metrics").text
    ask(client, "POST", "/pause", json={"paused": False})
    summary = ask(client, "GET", "/summary")[1]
    assert (summary["steering"]["paused"], summary["maintenance"]["hold"]) == (None, None)
    assert "workbench_held 0.0" in client.get("/metrics").text


def test_which_version_was_live_at_a_moment_is_one_call(client):
    assert ask(client, "GET", "/versions?at=2001-01-01T10:42:00Z")[1]["live_at"] is None
    assert ask(client, "GET", "/versions?at=2100-01-01T10:42:00Z")[1]["live_at"] == "first"
    status, body = ask(client, "GET", "/versions?at=noon")
    assert (status, "at = 'noon' is no moment" in body["errors"][0]["message"]) == (422, True)


@pytest.mark.slow
def test_a_retrain_is_a_job_with_progress_and_an_end_and_one_at_a_time(client):
    status, job = ask(
        client, "POST", "/retrain", json={"reason": "by test", "version_id": "second", "promote": "always"}
    )
    assert (status, job["state"]) == (202, "starting")
    assert ask(client, "POST", "/retrain", json={})[0] == 409
    until(lambda: ask(client, "GET", f"/retrain/{job['id']}")[1]["state"] not in ("starting", "running"))
    now = ask(client, "GET", f"/retrain/{job['id']}")[1]
    assert (now["state"], now["version_id"]) == ("done", "second")
    until(lambda: client.get("/health").json()["model_version"] == "second")


@pytest.mark.slow
def test_a_retrain_can_be_cancelled_and_nothing_of_it_is_left(client):
    _, job = ask(client, "POST", "/retrain", json={"version_id": "second"})
    until(lambda: ask(client, "GET", f"/retrain/{job['id']}")[1]["stage"])
    assert ask(client, "DELETE", f"/retrain/{job['id']}")[0] == 200
    until(lambda: ask(client, "GET", f"/retrain/{job['id']}")[1]["state"] != "running")
    assert ask(client, "GET", f"/retrain/{job['id']}")[1]["state"] == "cancelled"
    assert VersionStore(client.settings.versions_dir).ids() == ["first"]


@pytest.mark.parametrize(
    "body",
    [
        {"version_id": "../up"},
        {"recipe": "os:system"},
        {"ensemble": "os:system"},
        {"promote": "maybe"},
        {"more": 1},
        {"reason": "a\x00b"},
    ],
    ids=["id", "recipe", "ensemble", "promote", "more", "reason"],
)
def test_a_retrain_request_that_cannot_be_is_422(shared, body):
    assert ask(shared, "POST", "/retrain", json=body)[0] == 422


def test_a_taken_id_is_refused_before_any_work(client):
    assert ask(client, "POST", "/retrain", json={"version_id": "first"})[0] == 409
    assert [e["kind"] for e in ask(client, "GET", "/events")[1]["items"]].count("retrain_started") == 1


def test_prometheus_text_is_valid_and_counts(client):
    traffic(client)
    ask(client, "POST", "/check")
    families = {f.name: f for f in text_string_to_metric_families(client.get("/metrics").text)}
    predictions = {
        s.labels["version"]: s.value for s in families["workbench_predictions"].samples if s.name.endswith("_total")
    }
    assert predictions["first"] >= 60
    assert families["workbench_window_predictions"].samples[0].value == 60
    assert families["workbench_performance"].samples
    evaluation = ask(client, "GET", "/evaluations")[1]["items"][0]
    states = {"insufficient": 0, "ok": 1, "possible": 2, "alarm": 3, "drift": 3, "broken": 3}
    for part in ("data", "drift", "model", "performance", "service"):
        assert families[f"workbench_{part}_state"].samples[0].value == states[evaluation[part]["state"]]
    scores = {(f["feature"], c): v for f in evaluation["drift"]["features"] for c, v in f["channels"].items()}
    noise = {(s.labels["feature"], s.labels["channel"]): s.value for s in families["workbench_drift_noise"].samples}
    assert noise == {key: score["noise"] for key, score in scores.items()} != {}
    shifts = {s.labels["feature"]: s.value for s in families["workbench_mean_shift"].samples}
    assert shifts == {f: score["value"] for (f, channel), score in scores.items() if channel == "mean"} != {}


def test_no_page_of_the_service_asks_another_host(client):
    page = client.get("/docs").text
    assert "<script" not in page
    assert "://" not in page
    assert "access-control-allow-origin" not in client.get("/health", headers={"Origin": "http://evil.example"}).headers


def test_the_docs_tell_of_every_endpoint_and_its_inputs(client):
    page = client.get("/docs").text
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        for method in methods:
            assert f"<code>{method.upper()} {path}</code>" in page
    assert "&quot;instances&quot;" in page


def test_a_schema_that_breaks_is_broken_data_though_nothing_of_it_was_recorded(client):
    rows = to_rows(trips(60, seed=1)[["km", "stops", "to"]])
    for row in rows:
        assert client.post("/predict", json={"instances": [row]}).status_code == 200

    def check() -> dict:
        return client.post("/maintenance/check", headers=client.operator).json()["data"]

    assert check()["state"] == "ok"
    renamed = [{"kilometres" if name == "km" else name: value for name, value in rows[0].items()}]
    for _ in range(15):
        assert client.post("/predict", json={"instances": renamed}).status_code == 422
    # What is asked of other paths is no prediction.
    for _ in range(40):
        client.get("/nowhere")
    found = check()
    assert found["state"] == "broken"
    assert found["sentence"] == "schema: 20.0% of 75 requests refused (422): their rows do not fit the schema"


@pytest.mark.parametrize(("refused", "requests", "state"), [(1, 100, "ok"), (3, 100, "ok"), (10, 19, "ok")])
def test_a_few_refused_requests_are_no_broken_schema(trained, refused, requests, state):
    live = VersionStore(trained.versions_dir).load("first")
    service = ServiceResult(state="ok", sentence="", all=Traffic(requests=requests, rows=requests, refused=refused))
    (found,) = walk(live, trained, predictions(live, trips(100, seed=1)), first=100, step=1, service=service)
    assert found.data.state == state
