"""`rollcast keys`: a key is shown once, when it is created."""

import json
import subprocess
import sys

import pytest

from pipelines.cli import run


@pytest.fixture
def rollcast(capsys):
    """`rollcast("keys", "list")`: exit code, standard output, standard error."""

    def call(*words: str) -> tuple[int, str, str]:
        code = run([*words])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


def result(outcome: tuple[int, str, str]):
    code, out, err = outcome
    assert code == 0, err
    return json.loads(out)


def test_a_key_is_made_listed_rotated_and_revoked(rollcast):
    asked = ("--name", "plc 7", "--scope", "observe", "--series", "plant/*", "--days", "90", "--json")
    made = result(rollcast("keys", "create", *asked))
    assert made["key"].startswith(f"rlc_{made['id']}_")
    assert (made["name"], made["state"], made["scopes"], made["series"]) == ("plc 7", "valid", ["observe"], ["plant/*"])

    successor = result(rollcast("keys", "rotate", made["id"], "--overlap-hours", "0", "--json"))
    assert successor["series"] == ["plant/*"] and successor["key"] != made["key"]

    assert result(rollcast("keys", "revoke", successor["id"], "--json"))["state"] == "revoked"
    assert [(row["id"], row["state"]) for row in result(rollcast("keys", "list", "--json"))] == [
        (made["id"], "expired"),
        (successor["id"], "revoked"),
    ]


def test_no_command_shows_a_key_again(rollcast, home):
    text = result(rollcast("keys", "create", "--name", "a", "--scope", "read", "--json"))["key"]
    secret = text.split("_")[2]
    shown = [rollcast("keys", "list"), rollcast("keys", "list", "--json"), rollcast("keys", "revoke", text)]
    assert all(secret not in word for _, out, err in shown for word in (out, err))
    assert all(secret.encode() not in path.read_bytes() for path in home.rglob("*") if path.is_file())


def test_create_prints_the_whole_key_and_says_to_keep_it(rollcast):
    code, out, err = rollcast("keys", "create", "--name", "a", "--scope", "read", "--scope", "forecast")
    assert code == 0 and "forecast, read" in out and "*/*" in out
    assert "rlc_" in out and "nobody can show it again" in err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["create", "--name", "a", "--scope", "write"], "scopes"),
        (["create", "--name", "a", "--scope", "read", "--series", "plant"], "series patterns"),
        (["create", "--name", "a"], "scope"),
        (["revoke", "nobody12"], "no key of this id"),
        (["rotate", "nobody12"], "no key of this id"),
    ],
)
def test_a_wrong_word_is_one_sentence_and_exit_2(rollcast, words, says):
    code, out, err = rollcast("keys", *words)
    assert (code, out) == (2, "") and says in err and err.count("\n") == 1


def test_serving_other_machines_without_keys_is_refused_before_anything_is_opened(rollcast, home, monkeypatch):
    monkeypatch.setenv("ROLLCAST_AUTH", "off")
    code, out, err = rollcast("serve", "--host", "0.0.0.0", "--port", "0")  # noqa: S104
    assert (code, out) == (2, "") and "ROLLCAST_AUTH" in err and err.count("\n") == 1
    assert not home.exists()


def test_keys_are_created_in_the_serving_image_which_has_no_heavy_package(root):
    heavy = ["torch", "pytorch_lightning", "prefect", "mlflow", "polars", "deltalake", "httpx", "plotly"]
    code = f"import sys; sys.modules.update(dict.fromkeys({heavy})); from pipelines.cli import main; main()"
    words = ["keys", "create", "--name", "a", "--scope", "admin", "--json"]
    outcome = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=root, capture_output=True, text=True, timeout=300
    )
    assert outcome.returncode == 0, outcome.stderr
    assert json.loads(outcome.stdout)["scopes"] == ["admin"]


def test_the_doctor_warns_of_missing_or_expiring_keys(rollcast, monkeypatch):
    def verdict() -> tuple[str, str]:
        checks = json.loads(rollcast("doctor", "--json")[1])["checks"]
        return next((check["verdict"], check["detail"]) for check in checks if check["name"] == "keys")

    assert verdict() == ("ok", "0 valid")
    monkeypatch.setenv("ROLLCAST_AUTH", "on")
    assert verdict()[0] == "warning" and "there is none" in verdict()[1]
    made = result(rollcast("keys", "create", "--name", "a", "--scope", "read", "--days", "13", "--json"))
    assert verdict()[0] == "warning" and made["id"] in verdict()[1]
    rollcast("keys", "revoke", made["id"])
    result(rollcast("keys", "create", "--name", "b", "--scope", "read", "--days", "15", "--json"))
    assert verdict() == ("ok", "1 valid")


def test_the_doctor_fails_on_an_open_address_without_keys(rollcast, monkeypatch):
    monkeypatch.setenv("ROLLCAST_AUTH", "off")
    monkeypatch.setenv("ROLLCAST_HOST", "0.0.0.0")  # noqa: S104
    code, out, _ = rollcast("doctor", "--json")
    assert code == 1 and "ROLLCAST_AUTH" in out
