"""What `wb` and all it returns look like in a notebook, in a terminal and as a page."""

import re
import shutil
import subprocess
import sys
from html import unescape

import msgspec
import pytest

from tests.backtests import a_result
from tests.panels.conftest import Traffic
from workbench import Workbench
from workbench.errors import WorkbenchError
from workbench.evaluation import UNCHECKED
from workbench.records import Event
from workbench.retrainer import ModelRetrainer
from workbench.settings import load_settings
from workbench.show import Shown
from workbench.show.pages import PLAIN_ROWS, PLAIN_WIDTH, to_html, to_plain
from workbench.show.sheet import Sheet, Table, Told
from workbench.show.sketch import bars, curves, interval

HOSTILE = '<script>alert(1)</script>"&'
TAGS = re.compile(r"<style>.*?</style>|<[^>]*>", re.DOTALL)
PUBLIC = [
    *("activate", "backtest", "backtest_panel", "check", "compare", "dashboard", "doctor", "drift_panel", "drill"),
    *("evaluation", "explore", "export", "health_panel", "import_", "jobs", "metrics", "monitor", "open"),
    *("performance_panel", "places", "prune", "retrain", "retrain_panel", "rollback", "settings", "status"),
    *("to_html", "version", "versions", "versions_panel", "whatif"),
]


@pytest.fixture(scope="module")
def wb(_regression, tmp_path_factory):
    """Two versions, the second one live, traffic for each, and an event that somebody wrote with evil intent."""
    settings = load_settings(shutil.copytree(_regression.root, tmp_path_factory.mktemp("shown") / "ws"))
    traffic = Traffic(settings)
    traffic.send(100)
    ModelRetrainer(settings, traffic.versions, traffic.metrics).retrain("second", promote="always", reason=HOSTILE)
    traffic.send(200)
    traffic.metrics.append(Event(kind="decision", reason=HOSTILE, version="second"))
    traffic.metrics.close()
    return Workbench.open(settings.root)


ASKED = {
    "status": lambda wb: wb.status(),
    "version": lambda wb: wb.version(),
    "evaluation": lambda wb: wb.evaluation(),
    "data": lambda wb: wb.evaluation().data,
    "drift": lambda wb: wb.evaluation().drift,
    "feature": lambda wb: wb.evaluation().drift.feature("km"),
    "model": lambda wb: wb.evaluation().model,
    "performance": lambda wb: wb.evaluation().performance,
    "estimate": lambda wb: wb.evaluation().estimate,
    "service": lambda wb: wb.evaluation().service,
    "comparison": lambda wb: wb.compare(),
    "side by side": lambda wb: wb.compare("first", "second"),
    "what-if": lambda wb: wb.whatif("first"),
    "drill": lambda wb: wb.drill("km", rounds=3),
    "doctor": lambda wb: wb.doctor(),
    "backtest": lambda wb: a_result(),
    "course": lambda wb: a_result().policies[0],
}
FRAMES = [
    "status",
    "version",
    "evaluation",
    "drift",
    "performance",
    "comparison",
    "side by side",
    "what-if",
    "doctor",
    "backtest",
    "course",
]


@pytest.fixture(scope="module")
def asked(wb):
    """All of them, each asked for once."""
    return {name: ask(wb) for name, ask in ASKED.items()}


@pytest.fixture(params=ASKED)
def shown(asked, request):
    return asked[request.param]


def text(html):
    return " ".join(unescape(TAGS.sub(" ", html)).split())


def test_in_a_terminal_it_is_a_few_lines_and_the_same_ones_again(shown):
    told = repr(shown)
    assert told == repr(shown)
    assert 1 <= len(told.splitlines()) <= 24
    assert all(len(line) <= PLAIN_WIDTH for line in told.splitlines())
    assert "<" not in told.replace(HOSTILE, "").replace("<was>", "").replace("<what>", "")


def test_in_a_notebook_it_is_html_without_anything_from_elsewhere(shown):
    html = shown._repr_html_()
    assert html.count("<div") == html.count("</div>")
    assert "<script" not in html
    assert not re.search(r"(src|href)=|url\(|@import", html)
    assert len(html) < 40_000
    assert text(html).startswith(repr(shown).split(":")[0])


def test_every_picture_has_a_role_and_a_sentence(shown):
    for head in re.findall(r"<svg[^>]*>", shown._repr_html_()):
        assert re.search(r'role="img" aria-label="[^"]{10,}"', head)


def test_it_is_written_as_a_page_of_its_own(shown, tmp_path):
    path = shown.to_html(tmp_path / "page.html")
    page = path.read_text()
    assert page.startswith("<!doctype html>")
    assert to_html(shown._sheet()) in page
    assert "prefers-color-scheme:dark" in page


def test_tab_offers_what_a_person_may_want_and_nothing_else(wb, shown):
    assert [name for name in dir(wb) if not name.startswith("_")] == PUBLIC
    offered = {name for name in dir(shown) if not name.startswith("_")}
    own = {name for kind in type(shown).__mro__ for name in vars(kind) if not name.startswith("_")}
    assert offered == own
    assert "to_html" in offered


@pytest.mark.parametrize("name", FRAMES)
def test_what_is_tabular_has_a_frame(asked, name):
    frame = asked[name].to_frame()
    assert len(frame.columns) >= 3
    assert len(frame) > 0 or name == "doctor"


def test_a_frame_holds_the_figures_of_the_record(wb):
    check = wb.evaluation()
    drift = check.drift.to_frame().set_index("feature")
    assert drift.loc["km", "mean"] == check.drift.feature("km").mean
    mae = check.performance.to_frame().set_index("metric").loc["mae"]
    assert (mae["low"], mae["high"]) == check.performance.intervals["mae"]
    assert mae["holdout"] == check.performance.baseline["mae"]
    assert check.to_frame().set_index("part").loc["service", "state"] == "insufficient"
    assert wb.status().to_frame().equals(check.to_frame())
    made = wb.version()
    assert dict(made.to_frame()[["metric", "value"]].values) == made.metrics
    assert dict(made.to_frame()[["metric", "champion"]].values) == {
        **dict.fromkeys(made.metrics),
        **made.champion_metrics,
    }


def test_without_a_check_the_frame_of_a_status_has_no_row(trained):
    frame = Workbench(trained).status().to_frame()
    assert list(frame.columns) == ["part", "state", "sentence"]
    assert len(frame) == 0


def test_what_people_wrote_is_escaped(wb):
    for told in (wb.status(), wb.version("second")):
        assert "alert(1)" in told._repr_html_()
        assert "<script" not in told._repr_html_()
        assert HOSTILE in repr(told)


def test_the_workspace_shows_its_status(wb):
    status = wb.status()
    assert wb._repr_html_() == status._repr_html_()
    assert (status.live.version_id, status.predictions, status.versions) == ("second", 300, 2)
    assert status.state == "ok"
    assert status.maintenance.phase == "probation"
    assert status.decision.reason == HOSTILE
    assert "probation" in repr(status)
    assert status.check == wb.evaluation()


def test_a_status_says_what_there_is_not(settings):
    told = Workbench.open(settings.root).status()
    assert told.sentence == "no version is live; train one with `python main.py`"
    assert "none" in repr(told)


def test_a_damaged_pointer_is_told_and_hides_nothing_else(trained):
    (trained.versions_dir / "live.json").write_text("{")
    told = Workbench.open(trained.root).status()
    assert told.state == "broken"
    # A terminal breaks the line somewhere in the path.
    assert "live.json is damaged" in " ".join(repr(told).split())
    assert told.versions == 1


def test_before_the_first_check_there_is_no_evaluation(trained):
    wb = Workbench.open(trained.root)
    assert wb.status().sentence == "the live version has not been checked yet"
    with pytest.raises(WorkbenchError, match="no check is on record yet"):
        wb.evaluation()


def test_an_alarm_is_the_sentence_of_the_whole(wb):
    check = wb.evaluation()
    drift = msgspec.structs.replace(check.drift, state="drift", sentence="km: mean 70, was 25")
    told = msgspec.structs.replace(check, drift=drift)
    assert repr(told).splitlines()[0] == "Check of second: ▲ drift: km: mean 70, was 25"
    assert '<span class="bad">▲ drift: km: mean 70, was 25</span>' in told._repr_html_()


PARTS = ("drift", "model", "performance", "estimate")


def test_a_check_of_sound_data_alone_is_not_ok(wb):
    unchecked = {"state": "insufficient", "sentence": UNCHECKED}
    check = wb.evaluation()
    parts = {name: msgspec.structs.replace(getattr(check, name), **unchecked) for name in PARTS}
    assert repr(msgspec.structs.replace(check, **parts)).startswith("Check of second: · insufficient")


def test_long_tables_are_cut_in_a_terminal_and_say_so():
    table = Table("", ["a", "b"], [(str(i), "x" * 300) for i in range(20)])
    lines = to_plain(Sheet("title", "sentence", tables=[table])).splitlines()
    assert lines[-1] == f"  ... and {20 - PLAIN_ROWS} more"
    assert max(map(len, lines)) == PLAIN_WIDTH


def test_what_could_move_a_terminals_cursor_is_not_printed():
    assert "\x1b" not in to_plain(Sheet("a\x1b[2Jb", "c\nd", facts=[("e", Told("f\r"))]))


def test_sketches_name_what_they_draw_and_escape_it():
    assert f">{'&lt;b&gt;'}<" in bars([("<b>", 2.0, "bad"), ("c", float("inf"), "")], "Two <bars> of drift.", mark=1.0)
    assert "&lt;" in interval(-1.0, 0.5, 2.0, "From <below> zero.")
    assert curves([("a", "policy", [None, None])], "Nothing.") == ""
    assert curves([("a", "policy", [1.0, None, 1.0]), ("b", "never", [2.0])], "Two lines.").count("<polyline") == 2


def test_what_is_not_registered_says_so():
    class Other(Shown):
        __slots__ = ()

    with pytest.raises(TypeError, match="nothing says how a Other is shown"):
        repr(Other())


def test_showing_a_record_imports_no_picture_and_no_widgets():
    code = (
        "import sys; from workbench.evaluation import DriftResult; "
        "DriftResult(state='ok', sentence='no drift', n=3)._repr_html_(); "
        "print([m for m in ('matplotlib', 'ipywidgets', 'pandas', 'sklearn', 'scipy', 'IPython') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
