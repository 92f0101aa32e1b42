"""Digests of what the program computes, to compare two versions of the code bit for bit on one machine.

    python -m benchmarks.digests
    python -m benchmarks.digests --against HEAD~1

In a home of its own it ingests bundled samples, trains an LSTM, a GRU and an RNN with a fixed number of steps, promotes
what the gate lets pass, and serves. One day of rows is posted, one request after the other, in two runs of the service.
Then it prints one sha256 for each of:

artifacts    settings, weights and calibration of every registered model
contexts     the arrays that promotions stored for the service to start from
receipts     the outcome of each row that was posted
forecasts    the answers for every series at all trained levels, after each run
inspections  the inspection of every state
scores       of every series and every model
states       the arrays of all state snapshots, those of the scores' sums among them

No time of the clock is in a digest, so two runs of one version on one machine print the same lines. `--against` runs
the same day with the code of another revision, in a git worktree that is removed afterwards; it names the parts that
differ and exits with 1. The driver uses the command line, HTTP and SQLite alone, so that it can run any version.
"""

from forecasting.kernel.threads import cores, prepare

prepare()

import argparse  # noqa: E402  the processor's kernels are chosen before NumPy loads
import hashlib  # noqa: E402
import io  # noqa: E402
import json  # noqa: E402
import sys  # noqa: E402
import zipfile  # noqa: E402
from collections.abc import Iterable, Iterator, Mapping  # noqa: E402
from pathlib import Path  # noqa: E402
from tempfile import TemporaryDirectory  # noqa: E402
from typing import Any  # noqa: E402
from urllib.parse import quote  # noqa: E402

from benchmarks.support.day import Dataset, datasets, requests, write  # noqa: E402
from benchmarks.support.program import ROOT, Client, Program  # noqa: E402
from benchmarks.support.run import positive  # noqa: E402
from benchmarks.support.stored import blobs, blocks  # noqa: E402
from benchmarks.support.worktree import worktree  # noqa: E402
from forecasting.kernel.determinism import rows_are_independent  # noqa: E402

HORIZON = 12
LEVELS = "0.025,0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9,0.975"
CLOCK = ("since",)  # fields of answers that say when something was decided
Parts = dict[str, dict[str, str]]  # by part and item: a sha256


def measure(tree: Path, steps: int) -> tuple[list[str], Parts]:
    """The models that served, and the digests, of one day with the code of `tree`."""
    with TemporaryDirectory(prefix="rollcast-digests-") as name:
        program = Program(Path(name) / "home", tree, folder=tree)
        made = datasets()
        served = [prepared(program, dataset, steps) for dataset in made]
        answered = [*day(program, made, 0), *day(program, made, 1)]
        store = program.home / "live.db"
        return served, {
            "artifacts": artifacts(store),
            "contexts": arrays(store, "contexts"),
            **{part: gathered(answered, part) for part in ("receipts", "forecasts", "inspections", "scores")},
            "states": arrays(store, "snapshots"),
        }


def prepared(program: Program, dataset: Dataset, steps: int) -> str:
    """Ingests a dataset, trains its model and promotes what the gate lets pass; the kind that serves."""
    program.home.mkdir(exist_ok=True)
    source = write(program.home.parent / f"{dataset.name}.csv", dataset.history)
    words = ["--freq", dataset.freq, "--season", f"{dataset.season}", "--horizon", f"{HORIZON}"]
    program.run("ingest", f"{source}", "--dataset", dataset.name, *words)
    bound = [] if dataset.name == "stocks" else ["--steps", f"{steps}"]
    program.run("train", dataset.name, "--model", dataset.model, *bound)
    return f"{dataset.name} {program.run('promote', dataset.name)['model']}"


def day(program: Program, made: list[Dataset], half: int) -> Iterator[tuple[str, str, Any]]:
    """Posts one half of each dataset's requests in one run of the service; yields (part, item, answer)."""
    run = f"run {half + 1}"
    with program.serving() as client:
        for dataset in made:
            sent = list(requests(dataset.live))
            middle = len(sent) // 2
            own = sent[middle:] if half else sent[:middle]
            yield "receipts", f"{run} {dataset.name}", [client.observe(rows) for rows in own]
        yield from answers(client, run)


def answers(client: Client, run: str) -> Iterator[tuple[str, str, Any]]:
    """Forecast, inspection and scores of every series."""
    for series in client.series():
        path, item = f"/v1/series/{quote(series['unique_id'])}", f"{run} {series['unique_id']}"
        yield "forecasts", item, client.get(f"{path}/forecast?quantiles={LEVELS}")
        yield "inspections", item, client.get(f"{path}/state")
        yield "scores", item, client.get(f"{path}/scores")
    yield "scores", run, client.get("/v1/scores")


def gathered(answered: list[tuple[str, str, Any]], part: str) -> dict[str, str]:
    """Digests of one part's answers, by item."""
    return {item: digest([canonical(answer)]) for own, item, answer in answered if own == part}


def canonical(answer: Any) -> bytes:
    """The canonical JSON of an answer, without fields of the clock."""
    return json.dumps(timeless(answer), sort_keys=True).encode()


def timeless(answer: Any) -> Any:
    """The answer without fields of the clock, at any depth."""
    if isinstance(answer, list):
        return [timeless(item) for item in answer]
    if isinstance(answer, dict):
        return {name: timeless(value) for name, value in answer.items() if name not in CLOCK}
    return answer


def artifacts(store: Path) -> dict[str, str]:
    """Each file of every registered model, without the manifest, which says when it was made."""
    found: dict[str, str] = {}
    for number, blob in enumerate(blobs(store, "models"), 1):
        with zipfile.ZipFile(io.BytesIO(blob)) as archive:
            names = [name for name in archive.namelist() if name != "manifest.json"]
            found |= {f"model {number} {name}": digest([archive.read(name)]) for name in names}
    return found


def arrays(store: Path, table: str) -> dict[str, str]:
    """A digest of each array by its name, over all blocks of the table; metadata is not included."""
    found: dict[str, list[bytes]] = {}
    for block in blocks(store, table):
        for name, array in block.arrays.items():
            found.setdefault(name, []).append(f"{array.dtype}{array.shape}".encode() + array.tobytes())
    return {name: digest(parts) for name, parts in found.items()}


def digest(parts: Iterable[bytes]) -> str:
    """sha256 of byte strings, one after the other."""
    return hashlib.sha256(b"".join(parts)).hexdigest()


def whole(items: Mapping[str, str]) -> str:
    """One digest over all items of a part."""
    return digest(f"{name} {value}\n".encode() for name, value in sorted(items.items()))


def differing(own: Parts, other: Parts) -> dict[str, list[str]]:
    """By part, the items that are not the same on both sides."""
    apart = {part: sorted({name for name, _ in own[part].items() ^ other[part].items()}) for part in own}
    return {part: names for part, names in apart.items() if names}


def machine() -> str:
    """Cores, vector instructions, and whether a row's bits depend on its batch."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    known = ", ".join(f"{name} {'yes' if name in flags else 'no'}" for name in ("avx2", "avx512f", "avx512_bf16"))
    return f"{cores()} cores, {known}; rows independent of their batch: {'yes' if rows_are_independent() else 'no'}"


def show(title: str, tree: Path, steps: int) -> Parts:
    """Measures one tree and prints its digests."""
    served, parts = measure(tree, steps)
    print(f"{title}\nserved       {', '.join(served)}")
    for part, items in parts.items():
        print(f"{part:12} {whole(items)}", flush=True)
    return parts


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--against", metavar="REV", help="compare with this git revision; exit 1 where a part differs")
    options.add_argument("--steps", type=positive, default=3, help="of each training; default 3")
    chosen = options.parse_args()
    print(f"machine      {machine()}", flush=True)
    own = show("this tree", ROOT, chosen.steps)
    if chosen.against is None:
        return
    with worktree(chosen.against) as tree:
        other = show(chosen.against, tree, chosen.steps)
    apart = differing(own, other)
    for part, names in apart.items():
        print(f"{part} differ: {', '.join(names[:8])}{' and more' if len(names) > 8 else ''}", file=sys.stderr)
    sys.exit(1 if apart else 0)


if __name__ == "__main__":
    main()
