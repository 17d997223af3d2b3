import re

import pytest

from tests.conftest import make_workspace
from workbench.errors import SettingsError
from workbench.settings import load_settings, with_choice, with_values


def append(folder, text: str) -> None:
    make_workspace(folder)
    path = folder / "workbench.toml"
    path.write_text(path.read_text() + text)


def test_an_unknown_key_names_key_file_and_what_is_allowed(tmp_path):
    append(tmp_path, "cooldwn_s = 3\n")
    with pytest.raises(SettingsError) as caught:
        load_settings(tmp_path)
    message = str(caught.value)
    assert "'retrain.cooldwn_s'" in message
    assert str(tmp_path / "workbench.toml") in message
    assert "did you mean 'cooldown_s'?" in message
    assert "max_attempts_a_day" in message


def test_an_unknown_section_lists_the_sections(tmp_path):
    append(tmp_path, "[modle]\n")
    with pytest.raises(
        SettingsError, match=r"unknown key 'modle'; did you mean 'model'\? \(allowed in the file: model, monitor"
    ):
        load_settings(tmp_path)


def test_a_wrong_type_names_key_value_and_what_is_allowed(tmp_path):
    append(tmp_path, '[monitor]\nwindow = "many"\n')
    with pytest.raises(SettingsError, match=r"'monitor.window' is 'many': it takes a number, without quotes"):
        load_settings(tmp_path)


def test_a_wrong_variable_in_the_environment_is_named_as_such(tmp_path, monkeypatch):
    make_workspace(tmp_path)
    monkeypatch.setenv("WORKBENCH_MONITOR__WINDOW", "0")
    with pytest.raises(
        SettingsError, match=r"^environment variable WORKBENCH_MONITOR__WINDOW: 'monitor.window' is '0'"
    ):
        load_settings(tmp_path)


def test_a_missing_file_says_how_to_write_one(tmp_path):
    with pytest.raises(SettingsError, match=r"no workbench.toml in .*init DATA.csv"):
        load_settings(tmp_path)


def test_a_broken_file_says_where(tmp_path):
    (tmp_path / "workbench.toml").write_text("[model\n")
    with pytest.raises(SettingsError, match=r"is not valid TOML: .*line 1"):
        load_settings(tmp_path)


def test_a_missing_key_is_named(tmp_path):
    (tmp_path / "workbench.toml").write_text('[model]\ntask = "regression"\ndata = "d.csv"\n')
    with pytest.raises(SettingsError, match=r"'model.target' is missing"):
        load_settings(tmp_path)


def test_the_environment_outranks_the_file(tmp_path, monkeypatch):
    make_workspace(tmp_path, extra="[monitor]\nwindow = 5\n")
    monkeypatch.setenv("WORKBENCH_MONITOR__WINDOW", "7")
    assert load_settings(tmp_path).monitor.window == 7


def test_the_folder_asked_for_outranks_the_root_variable(tmp_path, monkeypatch):
    make_workspace(tmp_path / "a")
    make_workspace(tmp_path / "b")
    monkeypatch.setenv("WORKBENCH_ROOT", str(tmp_path / "a"))
    assert load_settings().root == tmp_path / "a"
    assert load_settings(tmp_path / "b").root == tmp_path / "b"


def test_both_shipped_settings_are_valid():
    assert load_settings(".").model.target == "air_time"
    assert load_settings("examples/late").model.task == "classification"


def test_a_request_can_only_choose_a_configured_recipe(settings):
    assert with_choice(settings, recipe="recent").retrain.recipes == ("recent",)
    with pytest.raises(SettingsError, match="'os:system' is not among"):
        with_choice(settings, recipe="os:system")


def test_a_request_can_only_choose_a_configured_ensemble(settings):
    both = with_values(settings, {"retrain.ensembles": ("voting", "tests.test_candidates:knn")})
    assert with_choice(both, ensemble="voting").ensembles == ("voting",)
    assert with_choice(both).ensembles == both.ensembles
    assert with_choice(settings, ensemble="voting").ensembles == ("voting",)
    with pytest.raises(SettingsError, match=r"'os:system' is not among .* ensembles: voting, tests"):
        with_choice(both, ensemble="os:system")


def test_a_folder_inside_a_workspace_stands_for_it(tmp_path, monkeypatch):
    make_workspace(tmp_path)
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    assert load_settings().root == tmp_path


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[monitor]\nwindow = "1000"\n', "'monitor.window' is '1000': it takes a number, without quotes"),
        ("[service]\nport = true\n", "'service.port' is True: it takes a number"),
        ('[monitor]\nperiod = "7H"\n', "'monitor.period' is '7H'"),
    ],
    ids=["quoted", "boolean", "period"],
)
def test_a_value_of_another_type_is_an_error(tmp_path, text, told):
    append(tmp_path, text)
    with pytest.raises(SettingsError, match=re.escape(told)):
        load_settings(tmp_path)


def test_a_metric_that_is_none_of_the_tasks_is_an_error(tmp_path):
    make_workspace(tmp_path)
    path = tmp_path / "workbench.toml"
    path.write_text(path.read_text() + '[performance]\nmetric = "mea"\n')
    with pytest.raises(SettingsError, match=r"metric = 'mea' is none of mse, rmse, mae, r2"):
        load_settings(tmp_path)


@pytest.mark.parametrize("name", ["WORKBENCH_MONITER__WINDOW", "WORKBENCH_FOO"])
def test_a_variable_that_names_no_setting_is_an_error(tmp_path, monkeypatch, name):
    make_workspace(tmp_path)
    monkeypatch.setenv(name, "5")
    with pytest.raises(SettingsError, match=f"environment variable {name} names no setting"):
        load_settings(tmp_path)


@pytest.mark.parametrize("value", ["9" * 5000, "[" * 3000 + "]" * 3000], ids=["digits without end", "a deep list"])
def test_what_toml_cannot_hold_is_told_with_the_file(tmp_path, value):
    settings = make_workspace(tmp_path, extra="seed = 1\n")
    toml = settings.root / "workbench.toml"
    toml.write_text(toml.read_text().replace("seed = 1", f"seed = {value}"))
    with pytest.raises(SettingsError, match=re.escape(f"{toml} is not valid TOML")):
        load_settings(tmp_path)


@pytest.mark.parametrize("value", ["recent", "[" * 3000 + "]" * 3000], ids=["no list", "a deep list"])
def test_a_list_in_the_environment_that_is_none_is_told_with_the_variable(settings, monkeypatch, value):
    monkeypatch.setenv("WORKBENCH_RETRAIN__RECIPES", value)
    with pytest.raises(SettingsError, match="WORKBENCH_RETRAIN__RECIPES"):
        load_settings(settings.root)


def test_a_copy_elsewhere_shares_its_records_with_nobody(settings, monkeypatch, tmp_path):
    monkeypatch.setenv("WORKBENCH_METRICS__URL", "postgresql://h/x")
    told = load_settings(settings.root)
    assert (told.metrics.url, told.alone_in(tmp_path).metrics.url) == ("postgresql://h/x", None)
    assert told.alone_in(tmp_path).metrics_dir == tmp_path / "metrics"
