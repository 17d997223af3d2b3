import os
import shutil
import ssl
import subprocess
import sys

import httpx2
import pytest

from tests.processes import free_port, serving
from workbench.exposure import service_url, trust
from workbench.settings import load_settings
from workbench.tokens import maintenance_token

OPENSSL = shutil.which("openssl")
CERTIFICATE = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 2"


@pytest.mark.slow
@pytest.mark.skipif(OPENSSL is None, reason="openssl makes the certificate")
def test_the_service_speaks_tls_by_settings_with_several_workers(trained):
    subprocess.run(
        [OPENSSL, *CERTIFICATE.split(), "-subj", "/CN=model.example.org"],
        cwd=trained.root,
        check=True,
        capture_output=True,
    )
    file = trained.root / "workbench.toml"
    more = f'\n[service]\nport = {free_port()}\nworkers = 2\ntls_cert = "cert.pem"\ntls_key = "key.pem"\n'
    file.write_text(file.read_text() + more)
    settings = load_settings(trained.root)
    with serving(settings), httpx2.Client(base_url=service_url(settings), verify=trust(settings)) as client:
        body = {"instances": [{"km": 10.0, "stops": 1, "to": "north"}]}
        assert client.post("/predict", json=body).status_code == 200
        headers = {"Authorization": f"Bearer {maintenance_token(settings.root)}"}
        assert client.get("/maintenance/versions", headers=headers).status_code == 200
        # The health check of the container knows the certificate, too.
        environment = {**os.environ, "WORKBENCH_ROOT": str(settings.root)}
        assert subprocess.run([sys.executable, "-m", "service.alive"], env=environment, check=False).returncode == 0
        # Who does not know the certificate is not fooled, and who speaks no TLS is not answered.
        with pytest.raises(httpx2.ConnectError, match=r"(?i)certificate"):
            httpx2.get(f"{service_url(settings)}/health", verify=ssl.create_default_context())
        with pytest.raises(httpx2.TransportError):
            httpx2.get(service_url(settings).replace("https", "http"))
    assert f"{service_url(settings)} serves trips" in (settings.root / "serve.log").read_text()
    assert service_url(settings).startswith("https://")
