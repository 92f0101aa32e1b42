"""Symbols: what networks of symbols learn, how exactly the kernel is torch, and how fast it draws.

*characters*: one member, trained for --minutes on the first nine tenths of a text, the last tenth chooses the step.
`kernel_loss` is its log loss over the last tenth by the kernel, symbol by symbol, with the state carried; `torch_apart`
how far torch's is from it; `characters_per_second` of one stream, drawing included; `chi_square_p` of 10,000 first
characters against the printed probabilities, with a fixed seed.
*book*: an lstm on 40,000 random sentences "X saw Y.", drawn as those of the bundled book, without dropout and decay.
`expected_mistakes` in 10,000 sentences, from the printed probabilities at the states that are reached;
`counted_mistakes` with a fixed seed; and how much is left open: `object_open` the entropy of the object given what was
read over ln 2, `subject_open` over ln 3, `sentence_open` over ln 6.
*dinner*: three dishes in turn, `dinner_unwritten` of the days without one. `dinner_right`: of the written days of the
last third, how many are predicted right from the days before.
*machines*: 200 × 2,000 steps with known hazards. `machines_over_truth` log loss over that of the truth;
`machines_bins_held`: of ten bins of windows, in how many the share of failures is in the 95 % band of what was said;
`machines_fewest` windows of a bin.

Each part also has the steps and the seconds of its training. Those of all but the characters are fixed in number, so
that their figures are the same each time.
"""

from forecasting.kernel.threads import prepare

prepare()

import argparse  # noqa: E402  the processor's kernels are chosen before NumPy loads
import time  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402
from scipy import stats  # noqa: E402
from torch.nn import functional as fn  # noqa: E402

from benchmarks.support.run import Figures, command, finish_parts, minutes, parser  # noqa: E402
from benchmarks.support.symbol_tasks import SAMPLES, Reader, book, dinner, text, true_losses  # noqa: E402
from forecasting.panel import Panel  # noqa: E402
from forecasting.rolling.bundle import Bundle  # noqa: E402
from forecasting.symbols.symbol_baselines import PREFIX, codes_of  # noqa: E402
from forecasting.symbols.symbol_evaluation import score_tail  # noqa: E402
from forecasting.symbols.symbol_network import SymbolNetwork  # noqa: E402
from forecasting.symbols.symbol_roller import SymbolRoller, SymbolState  # noqa: E402
from forecasting.symbols.symbol_training import SymbolFitted, SymbolSpec, fit_symbols  # noqa: E402
from pipelines.demo.symbol_files import FAILING, STATES, simulate  # noqa: E402
from pipelines.training.train import quiet_lightning  # noqa: E402

PLAYS = SAMPLES / "tinyshakespeare.txt"
PARTS = ("characters", "book", "dinner", "machines")
MINUTES = 10.0  # of the characters
STEPS = {"book": 4_000, "dinner": 400, "machines": 5_000}  # training steps of the others
STREAM = 30_000  # characters that are drawn to time it
SENTENCES = 10_000  # that are written and counted
LESSONS = 40_000  # sentences that are read
AHEAD = 20  # steps within which a machine may fail
ROLL_OUTS = 1_024  # for each window
HELD = 200  # last steps of each machine, which are not trained on
ONLY = np.array([0])


def fitted(
    panel: Panel, vocabulary: tuple[str, ...], tail: np.ndarray, steps: int | None, given: float = MINUTES
) -> SymbolFitted:
    """An lstm with the sizes that are chosen from the data, after so many training steps or minutes."""
    quiet_lightning()
    return fit_symbols(panel, SymbolSpec("lstm", vocabulary, AHEAD, tail, given, steps), notify=print)


def characters(options: argparse.Namespace) -> Figures:
    """A text, character by character."""
    began = time.perf_counter()
    read = text(options.text)
    panel = Panel.of([read.codes])
    tail = panel.lengths // 10
    made = fitted(panel, read.vocabulary, tail, None, options.minutes)
    trained = time.perf_counter() - began
    scores = score_tail(made.bundle, panel, tail)
    roller, state = started(made.bundle, panel, tail)
    begun = time.perf_counter()
    drawn = roller.continuations(state, 0, 1, STREAM, seed=1)
    rate = STREAM / (time.perf_counter() - begun)
    print("".join(read.vocabulary[code] for code in drawn[0, :600]))
    return {
        "kernel_loss": scores.log_loss,
        "torch_apart": abs(scores.log_loss - torch_loss(made.bundle, panel, tail)),
        "characters_per_second": rate,
        "chi_square_p": chi_square(roller, state),
        "characters_steps": made.planned,
        "characters_chosen": made.chosen,
        "characters_seconds": trained,
    }


def started(bundle: Bundle, panel: Panel, tail: np.ndarray) -> tuple[SymbolRoller, SymbolState]:
    """States that have read the context before the tail."""
    roller = SymbolRoller(bundle)
    roller.warm_up()
    stops = panel.lengths - tail
    return roller, roller.start(panel.window(stops, roller.config.context), stops - 1)


def torch_loss(bundle: Bundle, panel: Panel, tail: np.ndarray) -> float:
    """Log loss of a single series' tail by torch, with the state carried."""
    network = SymbolNetwork(bundle.config)
    own = {name: torch.from_numpy(w) for name, w in bundle.weights.items() if not name.startswith(PREFIX)}
    network.load_state_dict(own)
    network.eval()
    before = int(panel.lengths[0] - tail[0])
    codes = torch.from_numpy(codes_of(panel.values[before - bundle.config.context :]).astype(np.int64))[None]
    state, p = network.fresh(1), torch.from_numpy(bundle.weights[PREFIX + "frequency"].astype(np.float32))[None]
    total = 0.0
    with torch.no_grad():
        for start in range(0, codes.shape[1] - 1, 2_000):
            stop = min(start + 2_000, codes.shape[1] - 1)
            logits, state, p = network(codes[:, start:stop], state, p)
            losses = fn.cross_entropy(logits[0], codes[0, start + 1 : stop + 1], reduction="none").double()
            total += float(losses[max(0, bundle.config.context - 1 - start) :].sum())
    return total / int(tail[0])


def chi_square(roller: SymbolRoller, state: SymbolState) -> float:
    """p-value of 10,000 first symbols against the printed probabilities; rare symbols are one cell."""
    printed = roller.forecast(state, ONLY, 1)[0, 0]
    drawn = np.bincount(roller.continuations(state, 0, SENTENCES, 1, seed=7)[:, 0], minlength=len(printed))
    expected = SENTENCES * printed / printed.sum()
    rare = expected < 5
    seen = np.append(drawn[~rare], drawn[rare].sum()), np.append(expected[~rare], expected[rare].sum())
    kept = seen[1] > 0
    statistic = float((((seen[0] - seen[1]) ** 2)[kept] / seen[1][kept]).sum())
    return float(stats.chi2.sf(statistic, int(kept.sum()) - 1))


def book_figures(_: argparse.Namespace) -> Figures:
    """The children's book."""
    read = book(LESSONS, seed=1)
    panel = Panel.of([read.codes])
    made = fitted(panel, read.vocabulary, panel.lengths // 10, STEPS["book"])
    roller, state = started(made.bundle, panel, panel.lengths * 0)
    drawn = roller.continuations(state, 0, 1, 4 * SENTENCES, seed=3)[0]
    reader, expected, counted, opens = Reader(read.vocabulary), 0.0, 0, ([], [], [], [])  # type: ignore[var-annotated]
    for code in drawn.tolist():
        p, right = roller.forecast(state, ONLY, 1)[0, 0], reader.right()
        expected += float(p[~right].sum())
        own = p[right] / p[right].sum()
        opens[reader.place].append(-float((own * np.log(own)).sum()))
        counted += reader.read(read.vocabulary[code]) is not None
        roller.fold(state, ONLY, state.origin + 1, np.array([float(code)]))
    subject, other = np.mean(opens[0]), np.mean(opens[2])
    return {
        "expected_mistakes": expected,
        "counted_mistakes": counted,
        "object_open": other / np.log(2),
        "subject_open": subject / np.log(3),
        "sentence_open": (subject + other) / np.log(6),
        "book_steps": made.planned,
        "book_seconds": made.seconds,
    }


def dinner_figures(_: argparse.Namespace) -> Figures:
    """Dinner."""
    read = dinner()
    panel = Panel.of([read.codes])
    held = panel.lengths // 3
    past = panel.head(panel.lengths - held)
    made = fitted(past, read.vocabulary, past.lengths // 10, STEPS["dinner"])
    found = score_tail(made.bundle, panel, held).summary()
    return {
        "dinner_right": found["accuracy"],
        "dinner_days": found["n"],
        "dinner_unwritten": float(np.isnan(read.codes).mean()),
        "dinner_loss": found["log_loss"],
        "dinner_steps": made.planned,
        "dinner_seconds": made.seconds,
    }


def machine_figures(_: argparse.Namespace) -> Figures:
    """Machines with known hazards."""
    states = simulate()
    panel = Panel.of(list(states.astype(np.float64)), [f"m{i:03}" for i in range(len(states))])
    tail = np.full(len(panel), HELD)
    made = fitted(panel, STATES, tail, STEPS["machines"])
    truth = float(true_losses(states)[:, -HELD:].mean())
    loss = score_tail(made.bundle, panel, tail).log_loss
    said, came = windows(made.bundle, states)
    order = np.array_split(np.argsort(said, kind="stable"), 10)
    for rows in order:
        print(f"said {said[rows].mean():.3f}, came {came[rows].mean():.3f} of {len(rows)}")
    return {
        "machines_over_truth": loss / truth,
        "machines_loss": loss,
        "machines_bins_held": sum(in_band(said[rows], came[rows]) for rows in order),
        "machines_fewest": min(map(len, order)),
        "machines_steps": made.planned,
        "machines_seconds": made.seconds,
    }


def windows(bundle: Bundle, states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For windows of the held steps that do not overlap: what was said of a failure in them, and whether it came.

    Windows that begin while a machine is failing are left out.
    """
    roller, rows = SymbolRoller(bundle), np.arange(len(states))
    begin = states.shape[1] - HELD
    context = states[:, begin - roller.config.context : begin].astype(np.float64)
    state, said, came = roller.start(context, np.full(len(states), begin - 1)), [], []
    for first in range(begin, states.shape[1], AHEAD):
        sound = rows[states[:, first - 1] != FAILING]
        seeds = [first * len(states) + int(row) for row in sound]
        said.append(roller.arrivals(state, sound, AHEAD, ROLL_OUTS, seeds)[:, -1, FAILING])
        came.append((states[sound, first : first + AHEAD] == FAILING).any(1))
        steps = np.tile(np.arange(first, first + AHEAD), len(states))
        roller.fold(state, np.repeat(rows, AHEAD), steps, states[:, first : first + AHEAD].ravel().astype(np.float64))
    return np.concatenate(said), np.concatenate(came)


def in_band(said: np.ndarray, came: np.ndarray) -> bool:
    """Whether the number of failures is in the 95 % band of as many independent draws."""
    reach = 1.96 * np.sqrt((said * (1 - said)).sum()) + 0.5
    return bool(abs(came.sum() - said.sum()) <= reach)


MEASURED = {
    "characters": characters,
    "book": book_figures,
    "dinner": dinner_figures,
    "machines": machine_figures,
}


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--only", choices=PARTS, help="one part")
    options.add_argument("--minutes", type=minutes, default=MINUTES, help="of the characters' training; default 10")
    options.add_argument("--text", type=Path, default=PLAYS, help="the text of the characters")
    chosen = options.parse_args()
    parts = (chosen.only,) if chosen.only else PARTS
    finish_parts("symbols", {part: MEASURED[part](chosen) for part in parts}, chosen)


if __name__ == "__main__":
    command(main)
