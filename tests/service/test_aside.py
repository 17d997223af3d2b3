"""What is asked of stored versions is answered by a process of its own."""

import filelock
import pytest

from tests.service.test_maintenance import ask, traffic


@pytest.mark.slow
def test_whatif_asks_a_version_in_a_process_of_its_own(two):
    traffic(two)
    status, body = ask(two, "POST", "/versions/second/whatif", json={"rows": 40, "most": 3})
    # The same data and seed: the second version is the first one under another name.
    assert (status, body["n"], body["labelled"], body["changed"]) == (200, 40, 40, [])
    assert body["agreement"]["same"] == 1
    assert body["answered_by"] == {"first": 40}
    assert {(m["difference"], m["low"], m["high"]) for m in body["paired"]["metrics"]} == {(0.0, 0.0, 0.0)}
    assert two.app.state.serving.current.id == "first"


@pytest.mark.slow
def test_two_versions_side_by_side(two):
    traffic(two)
    body = ask(two, "GET", "/versions/compare?a=first&b=second&rows=50")[1]
    assert (body["a"]["traffic"]["predictions"], body["b"]["traffic"]["predictions"]) == (60, 0)
    assert body["b"]["metadata"]["parent"] == "first"
    assert (body["same_inputs"]["n"], body["same_inputs"]["agreement"]["same"]) == (50, 1.0)
    assert "parent" in {d["field"] for d in body["differences"]}


@pytest.mark.slow
def test_what_cannot_be_asked_has_the_status_of_its_error(two):
    assert ask(two, "POST", "/versions/second/whatif", json={"rows": 0})[0] == 422
    status, body = ask(two, "POST", "/versions/second/whatif")
    assert (status, "no prediction is recorded yet" in body["errors"][0]["message"]) == (422, True)
    traffic(two)
    (two.settings.versions_dir / "models" / "second" / "model.joblib").write_bytes(b"x")
    status, body = ask(two, "POST", "/versions/second/whatif")
    assert (status, "model.joblib has sha256" in body["detail"]) == (409, True)
    assert str(two.settings.root) not in str(body)


@pytest.mark.slow
def test_one_is_asked_at_a_time_and_for_a_limited_time(two):
    traffic(two)
    with filelock.FileLock(two.settings.metrics_dir / "aside.lock"):
        status, body = ask(two, "POST", "/versions/second/whatif")
    assert (status, "is under way" in body["detail"]) == (409, True)
    service = two.app.state.settings.service.model_copy(update={"aside_limit_s": 0.001})
    two.app.state.settings = two.app.state.settings.model_copy(update={"service": service})
    status, body = ask(two, "POST", "/versions/second/whatif")
    assert (status, "stopped after 0.001 s" in body["detail"]) == (503, True)


def test_without_two_versions_named_all_are_compared(two):
    traffic(two)
    status, body = ask(two, "GET", "/versions/compare")
    first, second = body["tenures"]
    assert (status, first["version"], first["predictions"], first["served"]["n"]) == (200, "first", 60, 60)
    # Sixty rows of one request: its time counts once.
    assert (first["responses"]["requests"], first["responses"]["rows"]) == (1, 60)
    assert (second["version"], second["predictions"], second["live"]) == ("second", 0, [])


@pytest.mark.parametrize("one", ["a", "b"])
def test_one_version_is_compared_with_nothing(shared, one):
    status, body = ask(shared, "GET", "/versions/compare", params={one: "first"})
    assert (status, "name two versions" in body["errors"][0]["message"]) == (422, True)
