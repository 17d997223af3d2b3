"""One pipeline behind another project's server: run by an environment that has that project, not by ours.

    python -I serve_peer.py PROJECT FOLDER PORT

FOLDER holds model.joblib and rows.json, a list of rows of the pipeline's inputs without missing values; what a project
needs beside them is written there. The server listens on 127.0.0.1 with one worker and otherwise with its project's
own defaults, and ends with this process's group. An ImportError is said on stderr and ends this with 3.
"""

import importlib
import json
import os
import socket
import sys
from pathlib import Path

HOST = "127.0.0.1"
NOT_INSTALLED = 3
BENTO = """
import bentoml
import joblib
import pandas as pd


@bentoml.service(workers=1)
class Flights:
    def __init__(self) -> None:
        self.model = joblib.load("model.joblib")

    @bentoml.api
    def predict(self, rows: list[dict]) -> list[float]:
        return self.model.predict(pd.DataFrame(rows)).tolist()
"""


def free_port():
    with socket.create_server((HOST, 0)) as listener:
        return listener.getsockname()[1]


def vetiver(folder, port):
    """As its documentation serves a model, with the types of the inputs checked."""
    import joblib
    import pandas as pd
    import uvicorn
    from vetiver import VetiverAPI, VetiverModel

    rows = pd.DataFrame(json.loads((folder / "rows.json").read_text()))
    model = VetiverModel(joblib.load(folder / "model.joblib"), "flights", prototype_data=rows.head(1))
    uvicorn.run(VetiverAPI(model).app, host=HOST, port=port, log_level="warning")


def mlserver(folder, port):
    """Its runtime for scikit-learn, inputs as a DataFrame."""
    # Whether it is there is to be known before its server, a process of its own, is started.
    importlib.import_module("mlserver_sklearn")

    write(
        folder / "settings.json",
        {"host": HOST, "http_port": port, "grpc_port": free_port(), "debug": False} | {"metrics_port": free_port()},
    )
    model = {"name": "flights", "implementation": "mlserver_sklearn.SKLearnModel"}
    write(folder / "model-settings.json", model | {"parameters": {"uri": "./model.joblib"}})
    run("mlserver", "start", ".")


def bentoml(folder, port):
    """A service of its kind, whose one method makes a DataFrame and predicts."""
    importlib.import_module("bentoml")

    (folder / "service.py").write_text(BENTO)
    os.environ.update(BENTOML_DO_NOT_TRACK="True", BENTOML_HOME=str(folder / "bentoml"))
    run("bentoml", "serve", "service:Flights", "--host", HOST, "--port", str(port))


def mlflow(folder, port):
    """`mlflow models serve` of a model saved by its own flavour."""
    import joblib
    import mlflow.sklearn

    # What it refuses otherwise is unpickling what it does not know; this pipeline is ours.
    mlflow.sklearn.save_model(
        joblib.load(folder / "model.joblib"), str(folder / "saved"), serialization_format="cloudpickle"
    )
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder / 'mlflow.db'}"
    words = ("--env-manager", "local", "--workers", "1", "--host", HOST, "--port", str(port))
    run("mlflow", "models", "serve", "--model-uri", str(folder / "saved"), *words)


def write(path, content):
    path.write_text(json.dumps(content))


def run(script, *words):
    """In place of this process, a console script of this environment."""
    home = Path(sys.executable).parent
    os.environ["PATH"] = f"{home}{os.pathsep}{os.environ['PATH']}"
    os.execv(home / script, [str(home / script), *words])


PROJECTS = {"vetiver": vetiver, "mlserver": mlserver, "bentoml": bentoml, "mlflow": mlflow}


def main(project, folder, port):
    os.chdir(folder)
    try:
        PROJECTS[project](folder, port)
    except ImportError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(NOT_INSTALLED)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
