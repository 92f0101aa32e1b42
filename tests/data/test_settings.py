import re

import pytest
from pydantic import ValidationError

from data.errors import InvalidInput
from data.settings import Settings, find_home, load_settings


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    monkeypatch.delenv("ROLLCAST_HOME")
    for name in ("ROLLCAST_MLFLOW", "ROLLCAST_SHIPPED_MODEL"):
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_every_setting_has_a_default_that_works(tmp_path):
    settings = load_settings()
    assert settings.home == tmp_path / ".rollcast"
    assert settings.database_url == f"sqlite:///{tmp_path}/.rollcast/live.db"
    assert (settings.host, settings.port, settings.mlflow) == ("127.0.0.1", 8000, True)
    assert settings.lake_path == tmp_path / ".rollcast" / "lake"


def test_the_home_is_searched_upwards(tmp_path, monkeypatch):
    (tmp_path / ".rollcast").mkdir()
    (tmp_path / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "er")
    assert find_home() == tmp_path / ".rollcast"


def test_the_environment_comes_before_the_env_file_and_that_before_the_toml_file(tmp_path, monkeypatch):
    (tmp_path / "rollcast.toml").write_text("port = 1\nfuture_tolerance_s = 1\nmax_body_bytes = 1\n")
    (tmp_path / ".env").write_text("ROLLCAST_PORT=2\nROLLCAST_FUTURE_TOLERANCE_S=2\nOTHER_PROGRAM=x\n")
    monkeypatch.setenv("ROLLCAST_PORT", "3")
    settings = load_settings()
    assert (settings.port, settings.future_tolerance_s, settings.max_body_bytes) == (3, 2, 1)
    assert load_settings(port=4).port == 4


@pytest.mark.parametrize(("file", "text"), [(".env", "ROLLCAST_PROT=1"), ("rollcast.toml", "prot = 1")])
def test_an_unknown_setting_is_refused_by_name(tmp_path, file, text):
    (tmp_path / file).write_text(text + "\n")
    with pytest.raises(InvalidInput, match="ROLLCAST_PROT"):
        load_settings()


def test_a_wrong_value_is_refused_by_name_and_not_shown(monkeypatch):
    monkeypatch.setenv("ROLLCAST_PORT", "secret")
    with pytest.raises(InvalidInput, match="ROLLCAST_PORT") as caught:
        load_settings()
    assert "secret" not in str(caught.value)


def test_settings_do_not_change_and_do_not_show_a_password():
    settings = load_settings(database_url="postgresql://user:secret@host/name")
    assert "secret" not in repr(settings)
    with pytest.raises(ValidationError):
        settings.port = 1


def test_every_setting_is_in_the_example_environment(root):
    example = set(re.findall(r"^ROLLCAST_(\w+)=", (root / ".env.example").read_text(), re.MULTILINE))
    assert example == {name.upper() for name in Settings.model_fields}


def test_the_example_environment_holds_the_defaults(root, tmp_path):
    before = load_settings()
    (tmp_path / ".env").write_text((root / ".env.example").read_text())
    assert load_settings() == before
