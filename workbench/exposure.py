"""Where the service can be reached, and whether its settings may be: checked before anything listens."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import SettingsError
from workbench.tokens import FILE, HASH_KEY_FILE, read_token

if TYPE_CHECKING:
    import ssl

    from workbench.settings import Settings


def private(host: str) -> bool:
    """Whether an address answers this machine alone.

    >>> private("127.0.0.1"), private("localhost"), private("0.0.0.0"), private("model.example.org")
    (True, True, False, False)
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def reachable(host: str) -> str:
    """Where a server that listens on `host` can be asked from this machine.

    >>> reachable("0.0.0.0"), reachable("127.0.0.1")
    ('127.0.0.1', '127.0.0.1')
    """
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(host, f"[{host}]" if ":" in host else host)


def service_url(settings: Settings) -> str:
    """Where this machine asks the service."""
    service = settings.service
    return f"{'https' if service.tls_cert else 'http'}://{reachable(service.host)}:{service.port}"


def tls_files(settings: Settings) -> tuple[Path, Path] | None:
    """The certificate and its key; None without TLS."""
    service = settings.service
    if service.tls_cert is None or service.tls_key is None:
        return None
    return Path(settings.root, service.tls_cert), Path(settings.root, service.tls_key)


def trust(settings: Settings) -> ssl.SSLContext | bool:
    """How a client on this machine knows the service: by the very certificate that the settings name."""
    import ssl

    files = tls_files(settings)
    if files is None:
        return True
    context = ssl.create_default_context(cafile=files[0])
    # It is this certificate or none, whoever signed it, and whatever name this machine is asked by.
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def check_exposure(settings: Settings) -> None:
    """Refuse settings that would let strangers in, or nobody.

    Raises
    ------
    SettingsError
        If other machines could ask without a token, a token or a key can be read by others, the predict token is none
        that can be shown, or the certificate cannot be used.
    """
    service = settings.service
    if not (private(service.host) or service.predict_token_file or service.allow_open):
        raise SettingsError(
            f"[service] host = {service.host!r} lets other machines ask for predictions, and no token is set: name a "
            f"file that holds one ([service] predict_token_file), or say allow_open = true if whoever reaches this "
            f"machine may ask"
        )
    for name, what in ((FILE, "the maintenance token"), (HASH_KEY_FILE, "the key of hashed inputs")):
        if (settings.root / name).exists():
            _check_private(settings.root / name, what)
    if service.predict_token_file is not None:
        _check_token(Path(settings.root, service.predict_token_file))
    files = tls_files(settings)
    if files is not None:
        _check_certificate(*files)


def _check_token(path: Path) -> None:
    try:
        token = read_token(path)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"[service] predict_token_file {path} cannot be read: {error}") from error
    if not token:
        raise SettingsError(f"[service] predict_token_file {path} holds no token; write one line into it")
    _check_private(path, "[service] predict_token_file")


def _check_private(path: Path, what: str) -> None:
    if path.stat().st_mode & 0o077:
        raise SettingsError(f"{what} {path} can be read by others; chmod 600 it")


def _check_certificate(cert: Path, key: Path) -> None:
    import ssl

    try:
        # A key with a password would be asked for at a terminal that a service has not.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password="")
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"[service] tls_cert {cert} and tls_key {key} cannot be used: {error}; both are PEM files, the key of this "
            f"certificate and without a password"
        ) from error
