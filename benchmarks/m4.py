"""M4 weekly and hourly, official test part: `benchmarks.competition` on both, with the competition's own season.

Needs m4_weekly.parquet and m4_hourly.parquet in the folder ROLLCAST_DATA (default ../shared/data).

Keys of --json: those of `benchmarks.competition`, such as owa, mase, wql, coverage_80, coverage_95 and
long_roll_passed, for each set that was run, as SET_owa.
"""

from forecasting.kernel.threads import prepare

prepare()

from benchmarks import competition  # noqa: E402
from benchmarks.support import loop  # noqa: E402  the processor's kernels are chosen before NumPy loads
from benchmarks.support.published import TASKS  # noqa: E402
from benchmarks.support.run import Figures, add_training, command, finish, parser, words  # noqa: E402
from data.errors import InvalidInput  # noqa: E402
from data.formats.options import SourceOptions  # noqa: E402


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--sets", type=words, default=("weekly", "hourly"), help="comma-separated: weekly, hourly")
    add_training(options)
    chosen = options.parse_args()
    figures: Figures = {}
    held_to: dict[str, Figures] = {}
    table: list[list[str]] = []
    for name in chosen.sets:
        if f"m4_{name}" not in TASKS:
            raise InvalidInput(f"--sets {name} is none of M4's sets here; choose from weekly, hourly")
        task = TASKS[f"m4_{name}"]
        source = SourceOptions(freq="1", season=task.season, horizon=task.horizon)
        found = competition.measure(loop.DATA / f"m4_{name}.parquet", source, chosen)
        held_to[task.benchmark] = found
        figures |= {f"{name}_{key}": value for key, value in found.items()}
        heads, *rows = competition.rows(found, task.benchmark)
        table += [*([] if table else [["set", *heads]]), *([name, *row] for row in rows)]
    finish("m4", figures, table, chosen, held_to)


if __name__ == "__main__":
    command(main)
