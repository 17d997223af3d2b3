"""A model that answers rows to the west only once a file is there; who waits leaves a file, too."""

import os
import threading
import time
from pathlib import Path

from tests.bad_models import Bad

FOLDER = "GATE_FOLDER"
PATIENCE_S = 60.0


class Gated(Bad):
    """Waits for `open` in the folder that the environment names."""

    def predict(self, X):
        if (X["to"] == "west").any():
            folder, deadline = Path(os.environ[FOLDER]), time.monotonic() + PATIENCE_S
            (folder / f"inside-{threading.get_ident()}").touch()
            while not (folder / "open").exists() and time.monotonic() < deadline:
                threading.Event().wait(0.01)
        return self.model_.predict(X[["km", "stops"]])


def gated():
    return Gated()
