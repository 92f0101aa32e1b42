"""Rows that flows ingest, on their way into the states of a running service; stores are made by the benchmark itself.

The model is a network of the product's default size with random weights. A client sends a GET and a POST of one row in
turn, every 20 ms, before and while rows are ingested, over series that the file does not have. Parts, for --only:

few        1,000 new rows, one for each of as many series, where 100,000 are served
round      six new hours of 5,000 series
corrected  168 hours of 5,000 series again, each with another value
alone      30 days of hours of 1,000 series while no service runs: an ingest and a forecast of all series each day

Keys of --json: few_ingest_s, round_ingest_s and corrected_ingest_s, seconds inside the process that ingests, without
its imports; few_taken_in_s, round_taken_in_s and corrected_taken_in_s, from its beginning until every series answers
with the new rows and none is stale; few_get_p99_ratio and so on, of GET meanwhile against before (round_get_p99_ratio,
corrected_get_p99_ratio); few_post_p99_ms, round_post_p99_ms and corrected_post_p99_ms, meanwhile; PART_get_p99_ms,
meanwhile; PART_post_p99_before_ms; PART_logged rows, and
PART_stale, the most stale series seen, for each. alone_first_s and alone_last_s, of a forecast; alone_ratio of last to
first, each the median of three days; alone_differs, the largest relative difference between the last forecast and what
a service started then answers.
"""

from forecasting.kernel.threads import prepare

prepare()

import argparse  # noqa: E402  the processor's kernels are chosen before NumPy loads
from pathlib import Path  # noqa: E402
from tempfile import TemporaryDirectory  # noqa: E402

from benchmarks.support import road, road_alone  # noqa: E402
from benchmarks.support.run import Figures, finish_parts, parser, words  # noqa: E402

PARTS = {  # series that are served and in the file, and its hours; the client's requests are for the others
    "few": (100_000, 1_000, range(1)),
    "round": (5_050, 5_000, range(6)),
    "corrected": (5_050, 5_000, range(168)),
}


def measure(part: str, share: float) -> Figures:
    if part == "alone":
        with TemporaryDirectory(prefix="rollcast-road-") as folder:
            found = road_alone.measure(Path(folder), int(1_000 * share), 30)
        return {f"alone_{name}": value for name, value in found.items()}
    served, rows, hours = PARTS[part]
    with TemporaryDirectory(prefix="rollcast-road-") as folder:
        found = road.measure(Path(folder), int(served * share), int(rows * share), hours, part == "corrected")
    return {f"{part}_{name}": value for name, value in found.items()}


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--only", type=words, help="comma-separated parts")
    options.add_argument("--share", type=float, default=1.0, help="of the series, for a quick look")
    chosen: argparse.Namespace = options.parse_args()
    every = (*PARTS, "alone")
    asked_for = dict.fromkeys(chosen.only or every)
    if unknown := [part for part in asked_for if part not in every]:
        options.error(f"there is no part {unknown[0]}; there are {', '.join(every)}")
    finish_parts("road", {part: measure(part, chosen.share) for part in asked_for}, chosen)


if __name__ == "__main__":
    main()
