"""The NumPy step kernel against torch and against the machine's matrix product, in one run.

Shape: hidden 128, 2 LSTM layers, window 168, 48 steps × 11 levels (the deciles and two tails). A *step* is scaling,
encoder and cells; *heads* add the ordered quantiles; a *forecast* also takes them back to data units. 256 series are
rolled as a fold rolls them: in blocks of rows, one for each core, each block several steps without waiting for others.
The measurements take turns, and a ratio is the median of the ratios of its rounds.

Keys of --json: single_step_us, single_torch_us (one series, step and forecast), single_step_ratio (of the two);
peak_gflops (a 1024³ float32 product on all cores); batch (its size), batch_step_us, batch_heads_us, batch_torch_us
(with forecast), batch_rate_without_heads, batch_rate_with_heads (shares of peak_gflops); series_steps_per_second
(with heads); long_roll_ratio (cost of a rolled step after 100,000 steps against after 100); rows_independent (same
bits in any batch).
"""

from collections.abc import Callable

from forecasting.kernel.threads import cores, each, prepare

prepare()

import numpy as np  # noqa: E402  the processor's kernels are chosen before NumPy loads
import torch  # noqa: E402

from benchmarks.support.run import Figures, finish, in_turns, parser, seconds  # noqa: E402
from forecasting.config import ModelConfig  # noqa: E402
from forecasting.kernel.kernel import Kernel  # noqa: E402
from forecasting.networks import networks  # noqa: E402
from forecasting.networks.experts import experts  # noqa: E402
from forecasting.quantiles import assemble, to_data_units  # noqa: E402
from forecasting.rolling.bundle import Bundle  # noqa: E402
from forecasting.rolling.conformal import Calibration  # noqa: E402
from forecasting.rolling.roller import NumericState, Roller  # noqa: E402

CONFIG = ModelConfig("lstm", 168, 128, 48, 24, 24, 24, (24,), hidden_size=128, num_layers=2)
EXPERTS = len(experts(CONFIG))
BATCH, STEPS = 256, 50
STEP_FLOPS = 2 * (CONFIG.features * 128 + 2 * 256 * 512)
HEAD_FLOPS = 2 * (256 * 128 + 128 * 48 * (11 + EXPERTS) + (CONFIG.memory + 168) * 48 * EXPERTS)


class Rows:
    """The inputs and the state of some series."""

    def __init__(self, size: int) -> None:
        self.window = np.cumsum(np.random.default_rng(0).standard_normal((size, CONFIG.window)), 1)
        self.seen, self.gap = np.ones(size, bool), np.zeros(size)
        self.hidden, self.carry = np.zeros((2, size, 2, 128), np.float32)
        self.mean, self.step = np.zeros((size, CONFIG.memory), np.float32), np.zeros(size, np.int64)


def step(kernel: Kernel, rows: Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """One step of every row: features, z, level, scale."""
    features, level, scale = kernel.features(rows.window, rows.seen, rows.gap, rows.mean, rows.step)
    z = kernel.encode(features)
    kernel.advance(z, rows.hidden, rows.carry)
    return features, z, level, scale


def quantiles(kernel: Kernel, rows: Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One step and its ordered quantiles in scaled units, level and scale."""
    features, z, level, scale = step(kernel, rows)
    return assemble(*kernel.heads(z, kernel.top(z, rows.hidden), features)), level, scale


def torch_step(network: networks.Network, size: int) -> Callable[[], object]:
    """The same step and forecast in torch, as a callable."""
    window = torch.from_numpy(Rows(size).window)
    seen, gap, state = torch.ones(size, 1), torch.zeros(size, 1), network.fresh(size)
    phase_means = torch.zeros(size, CONFIG.memory)

    @torch.inference_mode()
    def work() -> torch.Tensor:
        x, level, scale = networks.features(window, seen, gap, CONFIG, phase_means)
        median, increments, _ = network(x, state)
        return networks.assemble(median, increments) * scale[..., None] + level[..., None]

    return work


def product() -> Callable[[], object]:
    """A 1024³ float32 product, its rows split among all cores."""
    square = np.random.default_rng(0).standard_normal((1024, 1024)).astype(np.float32)
    parts = np.array_split(square, cores())
    return lambda: each(lambda part: part @ square, parts)


def rolled(work: Callable[[Rows], object]) -> Callable[[], object]:
    """`STEPS` steps of the batch, a block of rows for each core."""
    blocks = [Rows(len(part)) for part in np.array_split(np.arange(BATCH), cores())]

    def block(rows: Rows) -> None:
        for _ in range(STEPS):
            work(rows)

    return lambda: each(block, blocks)


def long_roll(roller: Roller) -> float:
    """Time of a step after 100,000 steps, relative to after 100: the median over rounds that take turns."""
    states = {length: roller.empty(1) for length in (100, 100_000)}
    for length, state in states.items():
        steps = np.arange(length)
        roller.fold(state, np.zeros(length, np.int64), steps, np.sin(steps / 5.0))

    def cost(state: NumericState) -> float:
        steps = iter(range(int(state.origin[0]) + 1, int(state.origin[0]) + 401))
        row, value = np.zeros(1, np.int64), np.ones(1)
        return seconds(lambda: roller.fold(state, row, np.array([next(steps)]), value), 200, rounds=1)

    ratios = [cost(states[100_000]) / cost(states[100].take(np.zeros(1, int))) for _ in range(25)]
    return float(np.median(ratios))


def rows_independent(roller: Roller) -> bool:
    """Whether a row's state has the same bits alone and among others."""
    context = np.cumsum(np.random.default_rng(1).standard_normal((64, CONFIG.context)), 1)
    together = roller.start(context, np.zeros(64, np.int64))
    alone = roller.start(context[7:8], np.zeros(1, np.int64))
    return bool(np.array_equal(together.hidden[7], alone.hidden[0]))


def measure() -> Figures:
    network = networks.Network(CONFIG).eval()
    kernel = Kernel(CONFIG, network.export())
    single = Rows(1)
    plain = {"fallback.linear": np.zeros((48, 168)), "fallback.increments": np.zeros((2, 5, 48))}
    roller = Roller(Bundle(CONFIG, network.export() | plain, Calibration.neutral(CONFIG)))
    taken = in_turns(
        {
            "product": (product(), 5),
            "single": (lambda: to_data_units(*quantiles(kernel, single)), 200),
            "torch": (torch_step(network, 1), 60),
            "step": (rolled(lambda rows: step(kernel, rows)), 2),
            "heads": (rolled(lambda rows: quantiles(kernel, rows)), 2),
            "batch_torch": (torch_step(network, BATCH), 5),
        },
        rounds=21,
    )
    rate = 2 * 1024**3 / taken["product"] / 1e9  # (rounds,) GFLOP/s
    step_rate = STEPS * BATCH * STEP_FLOPS / taken["step"] / 1e9
    heads_rate = STEPS * BATCH * (STEP_FLOPS + HEAD_FLOPS) / taken["heads"] / 1e9
    return {
        "single_step_us": middle(taken["single"] * 1e6),
        "single_torch_us": middle(taken["torch"] * 1e6),
        "single_step_ratio": middle(taken["single"] / taken["torch"]),
        "peak_gflops": middle(rate),
        "batch": BATCH,
        "batch_step_us": middle(taken["step"] / STEPS * 1e6),
        "batch_heads_us": middle(taken["heads"] / STEPS * 1e6),
        "batch_torch_us": middle(taken["batch_torch"] * 1e6),
        "batch_rate_without_heads": middle(step_rate / rate),
        "batch_rate_with_heads": middle(heads_rate / rate),
        "series_steps_per_second": middle(STEPS * BATCH / taken["heads"]),
        "long_roll_ratio": long_roll(roller),
        "rows_independent": rows_independent(roller),
    }


def middle(values: np.ndarray) -> float:
    return float(np.median(values))


def main() -> None:
    options = parser(__doc__).parse_args()
    figures = measure()
    rows = [
        ["what", "NumPy kernel", "torch", "share"],
        [
            "1 series, step + forecast",
            f"{figures['single_step_us']:.0f} µs",
            f"{figures['single_torch_us']:.0f} µs",
            f"{figures['single_step_ratio']:.2f} of torch",
        ],
        [
            f"{BATCH} series, step",
            f"{figures['batch_step_us']:.0f} µs",
            "",
            f"{figures['batch_rate_without_heads']:.2f} of {figures['peak_gflops']:.0f} GFLOP/s",
        ],
        [
            f"{BATCH} series, step + heads",
            f"{figures['batch_heads_us']:.0f} µs",
            f"{figures['batch_torch_us']:.0f} µs",
            f"{figures['batch_rate_with_heads']:.2f} of {figures['peak_gflops']:.0f} GFLOP/s",
        ],
        ["a rolled step after 100,000 against after 100", "", "", f"{figures['long_roll_ratio']:.2f}"],
        ["a row has the same bits in any batch", str(figures["rows_independent"]), "", ""],
    ]
    finish("kernel", figures, rows, options)


if __name__ == "__main__":
    main()
