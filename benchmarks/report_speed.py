"""How long do the report and its page take?

    python -m benchmarks.report_speed [--trials 1000 10000] [--runs 3]

It needs chromium, chromedriver and selenium. It makes up runs of ten hyperparameters with 20
reports a trial, writes their reports, and opens each in a headless Chromium with a window of
1280 x 900. `opened` is until the page answers and every plot in sight is drawn, `all drawn` until
the last plot below is. Quoted is the best of some runs, each in a new browser, and for comparison
the processor time of the page's process.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import psutil

from tests.browser import Browser, opened_browser
from tests.report.made import bowl, floats, make_run

SIGHT = "document.documentElement.dataset.drawn === 'screen' || "
ALL = "document.documentElement.dataset.drawn === 'all'"


class Opened(NamedTuple):
    """Seconds until a page is open, until all is drawn, and of processor time by then."""

    opened: float
    drawn: float
    used: float


def processor_seconds(browser: Browser) -> float:
    """Return the processor time of all processes of the browser that show pages."""
    found = 0.0
    for process in psutil.Process(browser.driver.service.process.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it has just ended
            if "--type=renderer" in process.cmdline():
                found += sum(process.cpu_times()[:2])
    return found


def open_once(page: Path) -> Opened:
    with opened_browser() as browser:
        browser.driver.set_script_timeout(300)
        browser.driver.get("about:blank")
        before, began = processor_seconds(browser), time.perf_counter()
        browser.open(page, wait=SIGHT + ALL)
        opened = time.perf_counter() - began
        browser.until(ALL)
        drawn = time.perf_counter() - began
        errors = browser.console()
        if errors:
            raise RuntimeError(f"the console has errors: {errors}")
        return Opened(opened, drawn, processor_seconds(browser) - before)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--trials", type=int, nargs="+", default=[1000, 10000])
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    print("| trials | writing the report | page | opened | all drawn | processor time |")
    print("|---|---|---|---|---|---|")
    for trials in options.trials:
        with tempfile.TemporaryDirectory() as folder:
            run = make_run(
                Path(folder) / "run", trials, floats(10), bowl, reports=20, failing=23,
                stopping=9, slots=16, popsize=100, logs=False,
            )  # fmt: skip
            began = time.perf_counter()
            command = [sys.executable, "-m", "autofinetune", "report", str(run)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            written = time.perf_counter() - began
            page = run / "report.html"
            times = [open_once(page) for _ in range(options.runs)]
            best = Opened(*map(min, zip(*times, strict=True)))
            print(
                f"| {trials:,} | {written:.1f} s | {page.stat().st_size / 1e6:.1f} MB "
                f"| {best.opened:.1f} s | {best.drawn:.1f} s | {best.used:.1f} s |",
                flush=True,
            )


if __name__ == "__main__":
    main()
