import subprocess
import sys

import pytest

from tests.conftest import make_workspace
from workbench.errors import SettingsError
from workbench.exposure import check_exposure
from workbench.tokens import FILE, HASH_KEY_FILE, hash_key, maintenance_token


def exposed(folder, *lines):
    return make_workspace(folder, extra="\n".join(["", "[service]", *lines, ""]))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "model.example.org"])
def test_to_listen_for_others_takes_a_token_or_a_word(tmp_path, host):
    with pytest.raises(SettingsError, match="predict_token_file"):
        check_exposure(exposed(tmp_path, f'host = "{host}"'))
    check_exposure(exposed(tmp_path, f'host = "{host}"', "allow_open = true"))
    token = tmp_path / "apps.token"
    token.touch(0o600)
    token.write_text("secret")
    check_exposure(exposed(tmp_path, f'host = "{host}"', 'predict_token_file = "apps.token"'))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_this_machine_needs_none(tmp_path, host):
    check_exposure(exposed(tmp_path, f'host = "{host}"'))


@pytest.mark.parametrize(
    ("content", "mode", "why"),
    [(None, 0o600, "no token"), ("\n", 0o600, "no token"), ("s", 0o644, "chmod 600"), ("é", 0o600, "cannot be read")],
)
def test_a_token_that_cannot_be_shown_or_is_no_secret_is_refused_at_start(tmp_path, content, mode, why):
    settings = exposed(tmp_path, 'predict_token_file = "apps.token"')
    if content is not None:
        (tmp_path / "apps.token").write_text(content)
        (tmp_path / "apps.token").chmod(mode)
    with pytest.raises(SettingsError, match=why):
        check_exposure(settings)


@pytest.mark.parametrize(("make", "name"), [(maintenance_token, FILE), (hash_key, HASH_KEY_FILE)])
def test_a_token_or_a_key_that_others_may_read_is_refused_at_start(tmp_path, make, name):
    settings = exposed(tmp_path)
    make(tmp_path)
    check_exposure(settings)
    (tmp_path / name).chmod(0o640)
    with pytest.raises(SettingsError, match=rf"{name} can be read by others; chmod 600 it"):
        check_exposure(settings)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_token_file_without_a_name_is_no_token(tmp_path, host):
    with pytest.raises(SettingsError, match="predict_token_file"):
        check_exposure(exposed(tmp_path, f'host = "{host}"', 'predict_token_file = ""'))


def test_a_certificate_without_its_key_or_that_is_none_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="come together"):
        exposed(tmp_path, 'tls_cert = "cert.pem"')
    settings = exposed(tmp_path, 'tls_cert = "cert.pem"', 'tls_key = "key.pem"')
    with pytest.raises(SettingsError, match="cannot be used"):
        check_exposure(settings)
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_text("-----BEGIN NONSENSE-----\n")
    with pytest.raises(SettingsError, match="cannot be used"):
        check_exposure(settings)


@pytest.mark.parametrize(
    "command", ["main.py --root {root} serve", "-m service --root {root} --fd 0"], ids=["serve", "a worker alone"]
)
def test_serve_refuses_at_start_and_says_why(tmp_path, command):
    exposed(tmp_path, 'host = "0.0.0.0"')
    words = [word.format(root=tmp_path) for word in command.split()]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "allow_open = true" in done.stderr
