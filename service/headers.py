"""What every answer tells a browser: to guess nothing, to keep nothing, and to run and load nothing.

The server sets them, so that its own refusals have them, too. The docs page brings the one style that is allowed.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

from service.docs import STYLE

STYLE_HASH = b64encode(sha256(STYLE.encode()).digest()).decode()
SECURITY_HEADERS = [
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    (
        "Content-Security-Policy",
        f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'",
    ),
]
