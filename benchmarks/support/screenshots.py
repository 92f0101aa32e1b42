"""Takes the pictures of docs/page.md: a made-up plant whose last four days came over HTTP, in Debian's Chromium.

A network is trained for --minutes and promoted. One sensor fell silent, one sends spikes, and the noise of one grew.
"""

from forecasting.kernel.threads import prepare

prepare()

import argparse  # noqa: E402  the processor's kernels are chosen before NumPy loads
import os  # noqa: E402
import shutil  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from pathlib import Path  # noqa: E402

import httpx  # noqa: E402
import numpy as np  # noqa: E402
import polars as pl  # noqa: E402
from playwright.sync_api import Page, sync_playwright  # noqa: E402

from benchmarks.support import loop  # noqa: E402
from data.formats.options import SourceOptions  # noqa: E402
from pipelines.flows.uvicorn_process import free_port, start_service, stop_service  # noqa: E402
from pipelines.promotion.promote import promote  # noqa: E402
from pipelines.training.train import TrainRequest  # noqa: E402

STEP, DAY = 1800, 48  # seconds of a step, and steps of a day
PAST, LIVE = 20 * DAY, 4 * DAY  # steps in the file, and over HTTP
KINDS = {
    "temperature": (71.0, 4.0, 0.4),
    "pressure": (2.4, 0.3, 0.05),
    "flow": (38.0, 9.0, 1.2),
    "load": (55.0, 20.0, 3.0),
}
IDS = [f"plant/line{line}/{kind}" for line in range(1, 4) for kind in KINDS]
SILENT, SPIKES, NOISY, SHOWN = "plant/line2/flow", "plant/line1/pressure", "plant/line3/load", "plant/line1/temperature"
WIDTH = 1180  # of a picture, pixels
PICTURES = {  # name: address, text that is waited for, height
    "page-overview": ("", "series shown", 700),
    "page-series": (f"#/series/plant/{SHOWN.replace('/', '%2F')}?threshold=76", "How good the forecasts were", 900),
    "page-network": (f"#/series/plant/{SHOWN.replace('/', '%2F')}?network=1", "What the forecast leans on", 1050),
}


def values(unique_id: str) -> np.ndarray:
    """(PAST + LIVE,) a daily season with slow swings and noise."""
    level, swing, noise = KINDS[unique_id.rpartition("/")[2]]
    draw, steps = np.random.default_rng(IDS.index(unique_id)), np.arange(PAST + LIVE)
    slow = np.convolve(draw.normal(0, noise, len(steps) + 199), np.full(200, 0.08), "valid")
    size = np.where((unique_id == NOISY) & (steps >= PAST), 5 * noise, noise)
    return np.round(
        level + swing * np.sin(2 * np.pi * (steps / DAY + IDS.index(unique_id) / 24)) + slow + draw.normal(0, size), 3
    )


def stamps() -> list[str]:
    """The steps, of which the last has just passed."""
    last = int(time.time()) // STEP * STEP
    moments = np.datetime64(last, "s") + np.arange(1 - PAST - LIVE, 1) * np.timedelta64(STEP, "s")
    return [f"{moment}Z" for moment in moments]


def write(path: Path, ds: list[str]) -> str:
    """The past as a file."""
    parts = [pl.DataFrame({"unique_id": name, "ds": ds[:PAST], "y": values(name)[:PAST]}) for name in IDS]
    pl.concat(parts).write_csv(path)
    return str(path)


def arrivals(ds: list[str]) -> Iterator[list[dict[str, object]]]:
    """The rows of each step of the last days."""
    known = {name: values(name) for name in IDS}
    for step in range(PAST, PAST + LIVE):
        sent = [name for name in IDS if name != SILENT or step < PAST + 8]
        rows = [{"unique_id": name, "ds": ds[step], "y": float(known[name][step])} for name in sent]
        yield [row | {"y": 24_000.0} if row["unique_id"] == SPIKES and step >= PAST + LIVE - 2 else row for row in rows]


def take(page: Page, url: str, folder: Path) -> None:
    for name, (address, shown, height) in PICTURES.items():
        page.set_viewport_size({"width": WIDTH, "height": height})
        page.goto(f"{url}/{address}")
        page.get_by_text(shown).first.wait_for()
        if "network" in name:
            page.locator("details.inside-network").scroll_into_view_if_needed()
            page.locator("details.inside-network").evaluate("element => window.scrollTo(0, element.offsetTop - 8)")
        page.wait_for_timeout(1000)  # charts are drawn
        page.screenshot(path=folder / f"{name}.png")
        print(f"{name}.png: {(folder / f'{name}.png').stat().st_size / 1000:.0f} kB")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--minutes", type=float, default=1, help="of the training")
    options.add_argument("--folder", type=Path, default=Path("docs"))
    chosen, ds, port = options.parse_args(), stamps(), free_port()
    os.environ["ROLLCAST_SNAPSHOT_EVERY_S"] = "2"  # with each snapshot the forecasts of before are stored
    with loop.workspace() as place, tempfile.TemporaryDirectory() as folder:
        source = SourceOptions(freq="30m", tz="UTC", season=DAY, horizon=DAY // 2)
        request = TrainRequest("plant", "lstm", max_minutes=chosen.minutes)
        loop.trained(place, write(Path(folder) / "plant.csv", ds), source, request)
        promote(place, "plant", None, lambda *_: None)
        process = start_service(place.settings, "127.0.0.1", port)
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                for rows in arrivals(ds):
                    client.post("/v1/observations", json=rows).raise_for_status()
            time.sleep(6)
            with sync_playwright() as playwright:
                program = shutil.which("chromium")
                browser = playwright.chromium.launch(executable_path=program, chromium_sandbox=os.geteuid() != 0)
                take(browser.new_page(color_scheme="light"), f"http://127.0.0.1:{port}", chosen.folder)
                browser.close()
        finally:
            stop_service(process)


if __name__ == "__main__":
    main()
