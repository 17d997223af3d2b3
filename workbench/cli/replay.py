"""`replay`: send labelled rows to a service in time order, and their actuals after a delay, as an app would."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli.show import Json, print_json
from workbench.errors import DataError, SettingsError, WorkbenchError
from workbench.exposure import service_url, trust

if TYPE_CHECKING:
    import httpx2
    import pandas as pd

    from workbench.records import Prediction
    from workbench.settings import Settings

TRIES = 5


def register(app: typer.Typer) -> None:
    app.command()(replay)


def replay(
    context: typer.Context,
    data: Annotated[str | None, typer.Option(help="CSV or Parquet file; default: [replay] data.")] = None,
    recorded: Annotated[bool, typer.Option(help="Send this workspace's recorded predictions again.")] = False,
    url: Annotated[str | None, typer.Option(help="Of the service; default: by [service] host and port.")] = None,
    rate: Annotated[float | None, typer.Option(help="Rows a second; default: [replay] rows_per_s.")] = None,
    limit: Annotated[int | None, typer.Option(help="Stop after so many rows.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Event time to begin at; default: after the newest one recorded.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Event time to end before.")] = None,
    as_json: Json = False,
) -> None:
    """Send traffic to a running service: predictions in time order, each one's actual after `actual_delay`."""
    from workbench.settings import load_settings

    settings = load_settings(context.obj)
    rows = traffic(settings, data=data, recorded=recorded, since=since, until=until, limit=limit)
    sender = Replay(settings, rows, url=url, rows_per_s=rate)
    for _ in with_bar(sender):
        pass
    if as_json:
        print_json(sender.counts)
    else:
        print(", ".join(f"{name} {count}" for name, count in sender.counts.items()))


def traffic(
    settings: Settings,
    *,
    data: str | None = None,
    recorded: bool = False,
    since: str | None = None,
    until: str | None = None,
    limit: int | None = None,
) -> pd.DataFrame:
    """The rows to send, in event-time order; by default those newer than anything recorded."""
    import pandas as pd

    from workbench.training_data import read_source

    if recorded:
        frame = _recorded(settings)
    else:
        source = data or settings.replay.data
        if source is None:
            raise SettingsError("nothing to send: name a file with --data, or set [replay] data in workbench.toml")
        if data is not None and ":" in data and not data.lower().endswith((".csv", ".csv.gz", ".parquet", ".pq")):
            raise SettingsError(f"--data={data!r}: a function can be named in workbench.toml only ([replay] data)")
        frame = read_source(source, Path.cwd() if data else settings.root, "--data" if data else "[replay] data")
    time_column = settings.model.time
    if time_column is None:
        return frame if limit is None else frame.head(limit)
    if time_column not in frame.columns:
        raise DataError(f"the traffic has no column {time_column!r}, which [model] time names")
    times = pd.to_datetime(frame[time_column], utc=True)
    keep = times.notna()
    if since:
        keep &= times >= _moment(since)
    elif not data and not recorded:
        keep &= _unsent(times, settings)
    if until:
        keep &= times < _moment(until)
    order = times[keep].sort_values(kind="stable").index
    return frame.loc[order].head(limit) if limit is not None else frame.loc[order]


def _unsent(times: pd.Series, settings: Settings) -> pd.Series:
    """Rows after those on record; of the last minute that was begun, those that are still missing."""
    recorded = [p.event_time for p in _history(settings) if _moment(p.event_time) <= times.max()]
    if not recorded:
        return times.notna()
    newest = max(recorded)
    begun = times == _moment(newest)
    return (times > _moment(newest)) | (begun & (begun.cumsum() > recorded.count(newest)))


def _history(settings: Settings) -> list[Prediction]:
    from workbench.metrics_store import MetricsStore

    return MetricsStore.of(settings).history()


def _moment(text: str) -> pd.Timestamp:
    import pandas as pd

    try:
        moment = pd.Timestamp(text)
    except ValueError as error:
        raise SettingsError(f"{text!r} is no time; 2013-03-01 or 2013-03-01T12:00 are") from error
    return moment.tz_localize("UTC") if moment.tz is None else moment


def _recorded(settings: Settings) -> pd.DataFrame:
    import pandas as pd

    from workbench.metrics_store import MetricsStore

    metrics = MetricsStore.of(settings)
    actuals = {a.prediction_id: a.actual for a in reversed(metrics.actuals())}
    time = settings.model.time
    rows = [
        {**p.inputs, **({time: p.event_time} if time else {}), settings.model.target: actuals.get(p.id)}
        for p in metrics.history()
    ]
    if not rows:
        raise DataError(f"no predictions are recorded in {settings.metrics_dir}")
    return pd.DataFrame(rows)


class Replay:
    """Sends a frame's rows; iterating yields the number of rows sent so far, batch by batch, at the rate asked for.

    Parameters
    ----------
    frame : DataFrame, shape (n_rows, n_columns)
        Features, the target (missing where the actual never arrives) and the time column.
    rows_per_s : float, optional
        Default: the setting. The clock starts with the first batch; a slow service is not flooded afterwards.
    """

    def __init__(
        self,
        settings: Settings,
        frame: pd.DataFrame,
        *,
        url: str | None = None,
        rows_per_s: float | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        import pandas as pd

        self.settings = settings
        self.frame = frame
        self.url = url or service_url(settings)
        self.rows_per_s = rows_per_s or settings.replay.rows_per_s
        self.delay = pd.Timedelta(settings.replay.actual_delay)
        self.counts = {"rows": 0, "requests": 0, "actuals": 0, "retried": 0}
        self._sleep = sleep
        self._waiting: deque[tuple[Any, str, Any]] = deque()

    def __len__(self) -> int:
        return len(self.frame)

    def __iter__(self) -> Iterator[int]:
        import httpx2

        begun, size = time.monotonic(), self.settings.replay.batch
        with httpx2.Client(
            base_url=self.url, timeout=60.0, headers=self._headers(), verify=trust(self.settings)
        ) as client:
            try:
                for start in range(0, len(self.frame), size):
                    self._send(client, self.frame.iloc[start : start + size])
                    yield self.counts["rows"]
                    self._sleep(max(0.0, begun + self.counts["rows"] / self.rows_per_s - time.monotonic()))
            finally:
                # Also when it is stopped: an actual that is not sent now would be lost.
                self._send_actuals(client, None)

    def _headers(self) -> dict[str, str]:

        from workbench.tokens import read_token

        path = self.settings.service.predict_token_file
        return {"Authorization": f"Bearer {read_token(Path(self.settings.root, path))}"} if path else {}

    def _send(self, client: httpx2.Client, batch: pd.DataFrame) -> None:
        import pandas as pd

        from workbench.features import to_rows

        model = self.settings.model
        features = model.features or [c for c in batch.columns if c not in (model.target, model.time)]
        # What is not kept is not there when recorded rows are sent again.
        gone = {n for n, how in self.settings.store.items() if how == "none" and n not in batch.columns}
        rows = to_rows(batch[[name for name in features if name not in gone]])
        times = (
            pd.to_datetime(batch[model.time], utc=True).tolist()
            if model.time
            else [pd.Timestamp.now("UTC")] * len(batch)
        )
        if model.time:
            for row, moment in zip(rows, times, strict=True):
                row[model.time] = moment.isoformat()
        self._send_actuals(client, times[0])
        answer = self._post(client, "/predict", {"instances": rows})
        actuals = batch[model.target].tolist() if model.target in batch.columns else [None] * len(batch)
        for moment, prediction_id, actual in zip(times, answer["prediction_ids"], actuals, strict=True):
            if not pd.isna(actual):
                self._waiting.append((moment + self.delay, prediction_id, actual))
        self.counts["rows"] += len(rows)
        self.counts["requests"] += 1

    def _send_actuals(self, client: httpx2.Client, now: Any) -> None:
        while self._waiting and (now is None or self._waiting[0][0] <= now):
            first = list(islice(self._waiting, 1000))
            due = [{"prediction_id": i, "actual": y} for moment, i, y in first if now is None or moment <= now]
            told = self._post(client, "/feedback", {"actuals": due})
            if told["invalid"]:
                raise WorkbenchError(f"{self.url}/feedback: {told['invalid'][0]['message']}")
            for _ in due:
                self._waiting.popleft()
            self.counts["actuals"] += len(due)

    def _post(self, client: httpx2.Client, path: str, body: dict[str, Any]) -> Any:
        import httpx2

        for attempt in range(TRIES):
            try:
                response = client.post(path, json=body)
            except httpx2.ConnectError as error:
                if attempt == TRIES - 1:
                    raise WorkbenchError(
                        f"no service answers at {self.url} ({error}); start it with `python main.py serve`"
                    ) from error
            except httpx2.TransportError as error:
                # The answer may have been lost after the rows were recorded: sending again could count them twice.
                raise WorkbenchError(f"{self.url}{path} broke off: {error!r}; `replay` goes on from there") from error
            else:
                if response.status_code == 200:
                    return response.json()
                if response.status_code != 503:
                    raise WorkbenchError(f"{self.url}{path} answered {response.status_code}: {_why(response)}")
            self.counts["retried"] += 1
            self._sleep(0.5 * 2**attempt)
        raise WorkbenchError(f"{self.url}{path} answered 503 {TRIES} times; see {self.url}/health")


def _why(response: httpx2.Response) -> str:
    """What a refusal says: the detail of our problems, or the beginning of what something else told."""
    if response.headers.get("content-type") == "application/problem+json":
        problem = response.json()
        return f"{problem['detail']} (request {problem['request_id']})"
    return response.text[:500]


def with_bar(sender: Replay) -> Iterator[int]:
    """Iterate a replay behind a progress bar on stderr."""
    import sys

    from workbench.bars import Bar

    # What is written into a log has a line now and then.
    pace = 0.2 if sys.stderr.isatty() else 10
    with Bar("traffic", total=len(sender), unit=" rows", mininterval=pace, leave=True, disable=False) as bar:
        for sent in sender:
            bar.to(sent, len(sender))
            yield sent
