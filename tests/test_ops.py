"""What ships in ops/: right by the tools that read it, and only settings and commands that there are."""

import re
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import yaml

from tests.linters import linted_by
from workbench.settings import load_settings

OPS = Path(__file__).parents[1] / "ops"
UNIT = (OPS / "workbench.service").read_text()
CONTAINER = (OPS / "Containerfile").read_text()
COMPOSE = yaml.safe_load((OPS / "compose.yml").read_text())
MANIFESTS = list(yaml.safe_load_all((OPS / "kubernetes.yml").read_text()))


def instructions() -> list[tuple[str, str]]:
    """Of the Containerfile: name and words, lines that go on put together."""
    lines = re.sub(r"^\s*#.*\n", "", CONTAINER, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines if line.strip()]


def copied() -> set[str]:
    """What of the source goes into the container."""
    lines = [words.split()[:-1] for name, words in instructions() if name == "COPY" and "--from" not in words]
    return {word for line in lines for word in line}


def environment() -> dict[str, str]:
    told = dict(pair.split("=", 1) for name, words in instructions() if name == "ENV" for pair in words.split())
    return told | dict(re.findall(r"^Environment=(\w+)=(.*)$", UNIT, re.MULTILINE))


def test_systemd_finds_nothing_wrong_with_the_unit_and_little_exposed(tmp_path):
    unit = tmp_path / "workbench.service"
    unit.write_text(UNIT.replace("/opt/workbench/bin/workbench", sys.executable))
    assert linted_by("systemd-analyze", "verify", unit) == ""
    # Of 100, and less is better; most units that come with Debian have over 90.
    assert linted_by("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=20", unit)


def test_hadolint_finds_nothing_wrong_with_the_containerfile():
    assert linted_by("hadolint", OPS / "Containerfile") == ""


def test_the_unit_gives_the_service_time_to_drain_and_little_else(trained):
    service = trained.service
    (stop_s,) = re.findall(r"^TimeoutStopSec=(\d+)$", UNIT, re.MULTILINE)
    assert int(stop_s) > 2 * service.drain_s
    (files,) = re.findall(r"^LimitNOFILE=(\d+)$", UNIT, re.MULTILINE)
    assert int(files) > 2 * service.max_connections
    for line in ("User=workbench", "NoNewPrivileges=true", "ProtectSystem=strict", "UMask=0077", "KillMode=mixed"):
        assert line in UNIT.splitlines()


def test_the_container_is_no_roots_and_writes_only_where_it_may():
    found = dict(instructions())
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", found["USER"])
    assert found["VOLUME"] == '["/workspace/versions", "/workspace/metrics"]'
    assert environment()["NUMBA_CACHE_DIR"].startswith(("/tmp/", "/var/cache/"))
    assert "--read-only --tmpfs /tmp" in CONTAINER
    # Nothing of the workspace of whoever builds it goes along: no `COPY .`.
    assert copied() == {"pyproject.toml", "README.md", "LICENSE", "workbench", "service", "share"}


def as_settings(trained, monkeypatch, variables: dict[str, str]):
    for name, value in variables.items():
        if name.startswith("WORKBENCH_") and name != "WORKBENCH_ROOT":
            monkeypatch.setenv(name, value)
    return load_settings(trained.root)


def test_the_variables_of_both_are_settings(trained, monkeypatch):
    service = as_settings(trained, monkeypatch, environment()).service
    assert (service.log, service.host) == ("json", "0.0.0.0")


def test_the_compose_file_is_one_by_its_schema():
    linted_by("check-jsonschema", "--builtin-schema", "vendor.compose-spec", OPS / "compose.yml")


def test_kubernetes_takes_the_manifests():
    for manifest in MANIFESTS:
        kubernetes_validate.validate(manifest, "1.37", strict=True)


def test_each_replica_has_records_of_its_own_and_all_have_the_same_versions():
    services = {name: told for name, told in COMPOSE["services"].items() if name != "database"}
    volumes = [told["volumes"] for told in services.values()]
    assert len(volumes) == 3
    assert all("versions:/workspace/versions" in mounted for mounted in volumes)
    records = [place for mounted in volumes for place in mounted if place.endswith(":/workspace/metrics")]
    assert len(set(records)) == 3
    (replicas,) = (m for m in MANIFESTS if m["kind"] == "StatefulSet")
    assert [claim["metadata"]["name"] for claim in replicas["spec"]["volumeClaimTemplates"]] == ["metrics"]
    assert replicas["spec"]["replicas"] == 3


def test_replicas_share_a_database_by_settings_that_there_are(trained, monkeypatch):
    (replicas,) = (m for m in MANIFESTS if m["kind"] == "StatefulSet")
    container = replicas["spec"]["template"]["spec"]["containers"][0]
    told = {variable["name"]: variable.get("value", "") for variable in container["env"]}
    for variables in (told, COMPOSE["services"]["replica-a"]["environment"]):
        settings = as_settings(trained, monkeypatch, variables)
        assert settings.metrics.url is not None
        assert "password" not in settings.metrics.url
    assert container["readinessProbe"]["httpGet"]["httpHeaders"] == [{"name": "Host", "value": "localhost"}]
    assert "localhost" in settings.service.allowed_hosts


def test_replicas_have_time_to_drain_before_they_are_killed(trained):
    stop_s = trained.service.drain_s + 5
    assert all(
        int(told["stop_grace_period"].removesuffix("s")) > stop_s
        for name, told in COMPOSE["services"].items()
        if name != "database"
    )
    (replicas,) = (m for m in MANIFESTS if m["kind"] == "StatefulSet")
    assert replicas["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > stop_s


def test_the_health_check_asks_the_service_and_says_when_it_is_not_there(trained, monkeypatch):
    (check,) = [words for name, words in instructions() if name == "HEALTHCHECK"]
    assert check.endswith('CMD ["/opt/workbench/bin/python", "-m", "service.alive"]')
    monkeypatch.setenv("WORKBENCH_ROOT", str(trained.root))
    monkeypatch.setenv("WORKBENCH_SERVICE__PORT", "9")
    done = subprocess.run([sys.executable, "-m", "service.alive"], capture_output=True, text=True, check=False)
    assert (done.returncode, "does not answer" in done.stderr) == (1, True)
