"""What the performance panel says, from a verdict made by hand; and what its controls do over real records."""

from dataclasses import replace

import msgspec
import pytest

from tests.evaluations import evaluation
from tests.qualities import NOON, checked, score
from workbench import Workbench
from workbench.moments import utc_text
from workbench.monitor import ModelMonitor
from workbench.panels.answered import Answered
from workbench.panels.performance import Performance
from workbench.panels.performance_looks import LOOKS
from workbench.panels.view import View
from workbench.records import Actual, Answer, Pointer
from workbench.sections import PerformanceSettings

WRONG, GROUPS, COMING, WITHOUT = LOOKS


def view(settings, *checks, segment="to"):
    by = settings.model_copy(update={"performance": PerformanceSettings(segment=segment)})
    return View(settings=by, evaluations=list(checks), live=live("v"))


def live(version):
    return Pointer(version_id=version, generation=1, activated_at=utc_text(NOON))


@pytest.fixture
def panel(desk):
    return Performance(desk)


@pytest.fixture
def two_versions(traffic):
    """Both have answered, the second one rows of the first, so that it can be told from it."""
    traffic.send(60)
    traffic.versions.pointer.switch("first", by="test", reason="again")
    data = traffic.metrics.window()[:25]
    renamed = [msgspec.structs.replace(p, version="second", output=p.output + 100, id="") for p in data]
    made = traffic.metrics.append(*renamed)
    first = {a.prediction_id: a.actual for a in traffic.metrics.actuals()}
    monitor = ModelMonitor(traffic.metrics, traffic.settings)
    monitor.feedback([(new.id, first[old.id]) for old, new in zip(data, made, strict=True)])
    traffic.send(60)
    return traffic


def test_labels_segments_and_periods_are_told_with_their_intervals(settings):
    page = Performance.whole(view(settings, checked()))
    for words in (
        "90% of 100 mature predictions have their actual",
        "of the actuals that come, 25% do within 60 s",
        "4 (3.5 to 4.5)",
        "By to, the worst first",
        "By event time",
        "By version",
        "4.75 (4.25 to 5.25), provisional",
    ):
        assert words in page, words
    assert page.index(">north<") < page.index(">south<")
    assert page.index("2025-12-22") < page.index("2025-12-29")


def test_without_actuals_there_are_no_tables_of_segments_and_periods(settings):
    page = Performance.whole(view(settings, evaluation(NOON)))
    assert "By to" not in page
    assert "By event time" not in page
    assert "No actual has come yet" in page


def test_before_the_first_check_every_look_says_so(settings):
    page = Performance.whole(View(settings=settings))
    assert page.count("no check of the live version yet") == 3
    assert "No answer has its actual yet" in page


def test_a_version_has_the_groups_and_labels_of_its_own_last_check(settings):
    old = msgspec.structs.replace(checked(), id="1", version="old")
    other = msgspec.structs.replace(checked().performance, segments=(score(9, 8.25, segment="west"),))
    new = msgspec.structs.replace(checked(), id="2", version="new", performance=other)
    seen = view(settings, old, new)
    assert ">west<" in LOOKS[GROUPS](seen, "new")
    assert ">north<" in LOOKS[GROUPS](seen, "old")
    assert "2025-12-29" not in LOOKS[GROUPS](seen, "old"), "a period of another version"
    assert "third has not been checked" in LOOKS[WITHOUT](seen, "third")


def test_every_look_at_every_version_is_shown_at_a_click(panel, two_versions):
    panel.show(panel.desk.reader.read())
    assert panel.version.options == (("all versions", ""), ("first", "first"), ("second", "second"))
    shown = {}
    for look in LOOKS:
        panel.look.value = look
        for name, version in panel.version.options:
            panel.version.value = version
            assert panel.version.label == name, "a choice that is made is shown"
            shown[look, version] = panel.closer.value
    assert "145 of the last 145 recorded answers of all versions have their actual" in shown[WRONG, ""]
    assert "25 of the last 25 recorded answers of second have their actual" in shown[WRONG, "second"]
    assert "second has not been checked" in shown[GROUPS, "second"]
    assert "By version" in shown[GROUPS, ""]
    assert 'aria-label="How late actuals come' in shown[COMING, "first"]
    assert 'aria-label="Estimated beside realised' in shown[WITHOUT, ""]


def test_the_residuals_are_those_of_the_chosen_version(panel, two_versions):
    panel.show(panel.desk.reader.read())
    panel.version.value = "second"
    assert panel.desk.reader.read().answered.sample("second").y_pred.mean() > 100
    assert ">mean +1" in panel.closer.value
    panel.version.value = "first"
    assert ">mean +1" not in panel.closer.value


def test_a_classifier_has_confusion_roc_and_calibration(settings):
    told = [(0, 0, 0.2), (1, 1, 0.7), (0, 1, 0.6), (1, 1, 0.9)]
    answers = [
        Answer(id=str(i), version="a", output=said, probabilities={"0": 1 - p, "1": p})
        for i, (_, said, p) in enumerate(told)
    ]
    actuals = [Actual(prediction_id=str(i), actual=true) for i, (true, _, _) in enumerate(told)]
    page = LOOKS[WRONG](View(settings=settings, answered=Answered("classification", answers, actuals)), None)
    for words in ("Confusion, 4 answers", "ROC curve", "Calibration of 1", "Confusion matrix, ROC curve and"):
        assert words in page, words


def test_while_nothing_is_new_nothing_is_drawn_and_a_choice_draws_one_picture(panel, two_versions, monkeypatch):
    panel.show(panel.desk.reader.read())
    drawn = []
    for widget in (panel.body, panel.closer, panel.version, panel.look):
        widget.observe(lambda change: drawn.append(change["name"]), ["value", "options"])
    panel.show(panel.desk.reader.read())
    assert drawn == []
    panel.look.value = GROUPS
    assert len(drawn) == 2
    panel.show(panel.desk.reader.read())
    assert len(drawn) == 2


def test_the_chosen_version_stays_chosen_and_one_that_is_gone_does_not(panel, two_versions):
    seen = panel.desk.reader.read()
    panel.show(seen)
    panel.version.value = "second"
    two_versions.send(10)
    panel.show(panel.desk.reader.read())
    assert panel.version.value == "second"
    assert "25 of the last 25" in panel.closer.value
    gone = replace(seen.answered, answers=[a for a in seen.answered.answers if a.version == "first"])
    panel.show(replace(seen, answered=gone))
    assert panel.version.label == "all versions"


def test_names_from_files_are_shown_as_text(settings):
    evil = msgspec.structs.replace(
        checked(),
        performance=msgspec.structs.replace(checked().performance, segments=(score(9, 8.25, segment="<img src=x>"),)),
    )
    assert "<img" not in Performance.whole(view(settings, evil))


def test_the_panel_works_alone(two_versions):
    page = Workbench(two_versions.settings).performance_panel()
    (panel,) = page.panels
    panel.look.value = COMING
    assert 'aria-label="How late actuals come' in panel.closer.value
    assert page.status.value == ""


def test_a_choice_before_the_first_look_at_the_files_is_no_trouble(panel):
    panel.look.value = WITHOUT
    assert panel.closer.value == ""
