import msgspec

from tests.conftest import trips
from tests.test_training_data import label
from workbench.material import material
from workbench.metrics_store import MetricsStore
from workbench.policy import ATTEMPT
from workbench.records import Event


def told(settings, events=()):
    return material(settings, MetricsStore.of(settings), events)


def test_new_rows_are_the_actuals_since_the_last_attempt(settings):
    label(settings, trips(20, start="2026-02-01"))
    store = MetricsStore.of(settings)
    assert told(settings).new_rows == 20
    store.append(Event(kind=ATTEMPT, reason=""))
    assert told(settings, store.events()).new_rows == 0
    label(settings, trips(5, start="2026-03-01"))
    assert told(settings, store.events()).new_rows == 5


def test_the_same_data_have_the_same_fingerprint_and_a_new_label_another(settings):
    label(settings, trips(20, start="2026-02-01"))
    before = told(settings)
    assert told(settings).fingerprint == before.fingerprint
    label(settings, trips(1, start="2026-03-01"))
    after = told(settings)
    assert after.fingerprint != before.fingerprint
    assert after.base == before.base


def test_base_data_that_were_written_anew_are_other_data(settings):
    before = told(settings)
    trips(500).to_csv(settings.root / "trips.csv", index=False)
    after = told(settings)
    assert (after.base != before.base, after.fingerprint != before.fingerprint) == (True, True)


def test_another_recipe_is_another_attempt(settings):
    other = settings.model_copy(update={"retrain": settings.retrain.model_copy(update={"recipes": ("decay",)})})
    assert told(other).fingerprint != told(settings).fingerprint


def test_a_function_or_a_missing_file_is_known_by_its_name_alone(settings):
    named = settings.model_copy(update={"model": settings.model.model_copy(update={"data": "shop:rows"})})
    assert msgspec.structs.asdict(told(named)) == msgspec.structs.asdict(told(named))
    assert told(named).base != told(settings).base
