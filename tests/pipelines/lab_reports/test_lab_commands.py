"""`rollcast lab`: the commands of docs/lecture.md run, here shortened; a page asks no host; bad input is a sentence."""

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

from data.formats.options import SourceOptions
from pipelines import cli
from pipelines.ingestion.ingest import ingest
from pipelines.lab_reports.book import Written, sentences
from pipelines.lab_reports.shown import page as page_of
from pipelines.lab_reports.weights import experiment as weights
from pipelines.workspace import Workspace
from tests.support.browser_kit import requests_elsewhere
from tests.support.loop_kit import HORIZON, SEASON, STEPS, register_network, workspace_at, write_csv

# What makes each command short; a repeated option counts as it is given last.
SHORT = {
    "dinner": ["--days", "60"],
    "book": ["--steps", "20", "--cells", "rnn"],
    "min-rnn": ["--steps", "20"],
    "gradients": ["--seeds", "1", "--hidden", "8"],
    "gates": ["--train", "20"],
    "unroll": ["--steps", "20", "--hidden", "4"],
    "compare": ["--steps", "2", "--models", "rnn,mlp"],
    "predict-modes": ["--steps", "5"],
}
SHORTER = {"gradients": ["--train", "2"], "gates": ["--steps", "20"]}  # where the command on the page has these


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


@pytest.fixture
def machine(home: Path, tmp_path: Path) -> Workspace:
    """The dataset of the page's examples, here two short series, with a registered LSTM."""
    home.mkdir()
    workspace = workspace_at(home)
    options = SourceOptions(season=SEASON, horizon=HORIZON)
    ingest(workspace, write_csv(tmp_path / "machine.csv", range(1, STEPS + 1)), "machine", options)
    register_network(workspace, "machine", worsens=False)
    return workspace


@pytest.fixture
def rollcast(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Ran:
        capsys.readouterr()
        code = cli.run(words)
        printed = capsys.readouterr()
        return Ran(code, printed.out, printed.err)

    return run


def commands_of_the_page() -> list[list[str]]:
    text = (Path(__file__).resolve().parents[3] / "docs" / "lecture.md").read_text()
    blocks = re.findall(r"^```\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    return [shlex.split(line)[1:] for block in blocks for line in block.splitlines() if line.startswith("rollcast ")]


def shortened(words: list[str]) -> list[str]:
    name = words[1]
    longer = any(f"--{option}" in words for option in ("train", "steps"))
    return [*words, *SHORT.get(name, []), *(SHORTER.get(name, []) if longer else [])]


@pytest.mark.parametrize("words", [own for own in commands_of_the_page() if own[0] == "lab"], ids=" ".join)
def test_every_example_of_the_lecture_runs(words: list[str], rollcast, machine: Workspace, tmp_path: Path) -> None:
    ran = rollcast(*shortened(words))
    assert ran.code == 0, ran.err
    assert ran.out.count("─") > 20  # a table
    if "--out" in words:
        made = (tmp_path / words[words.index("--out") + 1]).read_text()
        assert "Plotly.newPlot" in made and "rollcast lab" in made


def test_the_page_has_an_example_of_every_experiment() -> None:
    shown = {words[1] for words in commands_of_the_page() if words[0] == "lab"}
    assert shown == {*SHORT, "weights", "check-gradients"}


def test_the_training_of_the_lecture_with_options_gives_a_model_with_them(rollcast, machine: Workspace) -> None:
    (words,) = [own for own in commands_of_the_page() if own[0] == "train"]
    assert rollcast(*words, "--steps", "2", "--hidden-size", "8").code == 0
    about = json.loads(rollcast("model", "show", "machine", "--version", "2", "--json").out)
    assert about["config"]["options"] == {
        "initial": "orthogonal",
        "forget_bias": 3.0,
        "residual": True,
        "layer_norm": True,
    }
    assert (about["config"]["num_layers"], about["config"]["hidden_size"]) == (2, 8)


def test_the_gradients_of_a_dataset_end_with_the_effective_memory_of_its_model(rollcast, machine: Workspace) -> None:
    ran = rollcast("lab", "gradients", "machine", "--seeds", "1", "--hidden", "4")
    assert ran.code == 0
    assert "Version 1 of machine, a trained lstm. Effective memory: " in ran.err


def test_weights_are_counted_for_networks_that_no_memory_holds(rollcast) -> None:
    words = ["--inputs", "10000", "--hidden", "1024", "--layers", "20", "--outputs", "10000"]
    found = json.loads(rollcast("lab", "weights", *words, "--json").out)["tables"]["Networks"]
    assert all(row["by the formula"] == row["in torch's tensors"] for row in found)
    assert found[2]["by the formula"] > 200_000_000


def test_the_bars_of_an_rnn_part_what_it_reads_from_what_it_remembers() -> None:
    from forecasting.lab.weight_count import Sizes

    bars = {bar.name: bar.y[0] for bar in weights(Sizes(5, 8, 1, 5), "lstm").pictures[0].figure.data}
    assert bars == {"from the input": 40, "from the hidden state": 64, "biases": 2 * 8 + 5, "to the outputs": 40}


def test_a_network_that_learnt_nothing_is_not_praised(rollcast) -> None:
    def wrote(name: str, wrong: int) -> Written:
        return Written(name, 1_000, {"right": 10_000 - wrong, "same name": wrong}, {"right": 0.6}, "", {})

    for wrong, praised in ((30, True), (9_000, False)):  # alone, the rnn is always the best of the others
        said = " ".join(sentences([wrote("the lecture's", 4_000), wrote("rnn", wrong)]))
        assert f"rnn {wrong:,} in 10,000" in said and ("does as well" in said) == praised
    assert "train it for more --steps" in rollcast("lab", "predict-modes", "--steps", "1").err


def test_every_mode_has_the_honest_baseline_beside_it(rollcast, tmp_path: Path) -> None:
    from pipelines.lab_reports import modes

    for picture in modes.experiment("MSFT", 1, 0, lambda *_: None).pictures:
        assert "naive" in {line.name for line in picture.figure.data}


def test_json_has_the_tables_as_values(rollcast) -> None:
    found = json.loads(rollcast("lab", "weights", "--cell", "rnn", "--inputs", "2", "--hidden", "3", "--json").out)
    networks = {row["network"]: row for row in found["tables"]["Networks"]}
    assert networks["rnn"]["by the formula"] == networks["rnn"]["in torch's tensors"] == 3 * (2 + 3 + 2) + 5 * 4
    flows = json.loads(rollcast("lab", "gradients", "--seeds", "1", "--hidden", "4", "--json").out)
    assert all(isinstance(row["lag 1"], float) for row in next(iter(flows["tables"].values())))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["unroll", "--text", "Rex saw"], "'Rex' is not in the book"),
        (["unroll", "--cell", "mgu"], "there is no cell 'mgu'"),
        (["book", "--cells", "rnn,cnn"], "there is no cell 'cnn'"),
        (["book", "--weights", "130", "--cells", "gru"], "ask for more weights"),
        (["min-rnn", "--text", "missing.txt"], "missing.txt cannot be read"),
        (["min-rnn", "--cell", "gru"], "an rnn and an lstm"),
        (["predict-modes", "--ticker", "XYZ"], "there is no stock 'XYZ'"),
        (["gates", "nothing"], "nothing"),
        (["gates", "--cell", "rnn"], "an rnn has no gates; choose another --cell"),
        (["book", "--weights", "1000000000"], "ask for fewer weights"),
        (["gates", "machine", "--series", "z"], "there is no series 'z' in 'machine', which has a, b"),
        (["compare", "machine", "--models", "lstm,naive"], "'naive' is not a network"),
        (["weights", "--cell", "naive"], "--cell is 'naive'"),
        (["dinner", "--out", "picture.png"], "does not end in .html"),
    ],
)
def test_bad_input_is_one_sentence(words: list[str], said: str, rollcast, machine: Workspace) -> None:
    ran = rollcast("lab", *words)
    assert ran.code == 2, ran
    assert ran.out == "" and len(ran.err.strip().splitlines()) == 1 and said in ran.err, ran.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--bidirectional"], "could not be advanced by a new value"),
        (["--forget-bias", "1", "--model", "gru"], "a gru has no forget gate"),
        (["--forget-bias", "wide"], "give a number or chrono"),
        (["--residual"], "there is one; add --num-layers 2"),
        (["--layer-norm", "--num-layers", "1"], "there is one; add --num-layers 2"),
        (["--init", "zeros"], "choose one of uniform, orthogonal"),
        (["--input-dropout", "1.5"], "a share from 0 to 0.9"),
        (["--truncate", "3"], "give 8 to 1024 steps"),
        (["--masking", "--model", "mlp"], "mlp has no recurrent layers; leave out --masking"),
        (["--num-layers", "2", "--model", "naive"], "naive is a baseline, which has no layers"),
        (["--hidden-size", "0"], "give a number from 1 to"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_with_the_reason(
    options: list[str], said: str, rollcast, machine: Workspace
) -> None:
    ran = rollcast("train", "machine", "--steps", "1", *options)
    assert ran.code == 2, ran
    assert len(ran.err.strip().splitlines()) == 1 and said in ran.err, ran.err


def test_a_page_asks_no_host_and_has_no_error(page, tmp_path: Path) -> None:
    from forecasting.lab.weight_count import Sizes

    made = tmp_path / "weights.html"
    made.write_text(page_of(weights(Sizes(), "lstm")))
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    elsewhere = requests_elsewhere(page, f"file://{made}")
    page.goto(f"file://{made}")
    page.wait_for_selector("#picture-0 .barlayer")
    assert (errors, elsewhere) == ([], [])


def test_lab_is_a_name_of_rollcast() -> None:
    from rollcast import lab

    assert lab.count_weights("rnn", lab.Sizes(2, 3, 1, 2)).total == 3 * (2 + 3 + 2) + 2 * 4
