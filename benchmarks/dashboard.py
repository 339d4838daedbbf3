"""Load the pages of `autofinetune dashboard` in a browser, with many trials.

    python -m benchmarks.dashboard --trials 500 2000 [--page=docs/dashboard.md] [--pictures DIR]

Runs are made with simulated trials of three hyperparameters. Each page is opened in a new headless
Chromium (Debian: chromium, chromium-driver), and counts as loaded when it shows its content: the
charts of the scalar page are drawn, the table of the hyperparameters' page has its rows. Errors
are what the browser's console says.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

from autofinetune.executors import Attempt
from autofinetune.executors.memory import Played
from autofinetune.sinks.visualdl import VisualDL
from autofinetune.store.paths import RunPaths
from benchmarks.page import Page
from tests.helpers import config_of, score_of, tuner_in_memory

PAGE = Page(
    """\
# VisualDL with many trials

The time until the pages of `autofinetune dashboard` show their content. The block is the output of
`python -m benchmarks.dashboard`; `--page=docs/dashboard.md` writes it here. Other work on the
machine makes all figures worse, so the load before the measurement is given.
""",
    {"pages": "Loading the pages"},
)
POPSIZE = 10
LIMIT_S = 600
# Whether a page shows its content: an expression for the browser, by the path of the page.
IS_SHOWN = {
    # Coloured pixels of a line in each chart of the first group; axes are grey.
    "app/scalar": """[...document.querySelectorAll('canvas')].filter(canvas => {
        const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data
        let count = 0
        for (let i = 0; i < data.length; i += 4)
            count += data[i + 3] > 200 && Math.abs(data[i] - data[i + 2]) > 60
        return count > 200
    }).length >= 4""",
    "app/hyper-parameter": "document.body.innerText.includes('trials/r000_p0')",
}


def play(attempt: Attempt) -> Played:
    """Every tenth trial fails."""
    return Played(final=None if attempt.trial % 10 == 9 else score_of(attempt))


def make_run(root: Path, trials: int) -> None:
    config = config_of(
        popsize=POPSIZE, round=trials // POPSIZE, tuning_strategy="random", evaluator="fulltrail"
    )
    tuner = tuner_in_memory(root, config, program=play, sinks=[VisualDL(config, RunPaths(root))])
    tuner.start("run")
    tuner.run()
    tuner._sinks.close()


@contextlib.contextmanager
def served(root: Path) -> Iterator[str]:
    """Start the dashboard and yield its address."""
    words = [
        sys.executable,
        "-m",
        "autofinetune",
        "dashboard",
        str(root),
        "--port=0",
        "--no-token",
    ]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[0]
        finally:
            process.kill()


@contextlib.contextmanager
def browser(profile: Path) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for word in ("--headless", "--no-sandbox", "--disable-gpu", "--window-size=1500,1000",
                 "--disable-background-networking", f"--user-data-dir={profile}"):  # fmt: skip
        options.add_argument(word)
    options.page_load_strategy = "eager"
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, Service(shutil.which("chromedriver")))
    # A page that draws does not answer.
    assert not isinstance(driver.command_executor, str)
    driver.command_executor.client_config.timeout = 2 * LIMIT_S
    driver.set_page_load_timeout(LIMIT_S)
    driver.set_script_timeout(LIMIT_S)
    try:
        yield driver
    finally:
        driver.quit()


def measure(
    address: str, page: str, scratch: Path, picture: Path | None
) -> tuple[float, list[str]]:
    """Return the seconds until a page shows its content, and the errors of the console."""
    errors = []
    with browser(scratch) as driver:
        began = time.monotonic()
        driver.get(address + page)
        try:
            WebDriverWait(driver, LIMIT_S, poll_frequency=0.1).until(
                lambda _: driver.execute_script(f"return {IS_SHOWN[page]}")
            )
        except TimeoutException:
            errors.append(f"not shown after {LIMIT_S} s")
        seconds = time.monotonic() - began
        if picture is not None:
            driver.save_screenshot(str(picture))
        log = driver.get_log("browser")  # type: ignore[no-untyped-call]
        errors += [one["message"] for one in log if one["level"] == "SEVERE"]
    return seconds, errors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, nargs="+", default=[500, 2000])
    parser.add_argument("--page", type=Path, help="document to write the figures into")
    parser.add_argument("--pictures", type=Path, help="directory for a screenshot of each page")
    options = parser.parse_args()
    lines = [
        f"load of the machine before: {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores",
        "trials  page                 seconds  console errors",
    ]
    for trials in options.trials:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder, "run")
            make_run(root, trials)
            for page in IS_SHOWN:
                name = page.rpartition("/")[2]
                picture = options.pictures and options.pictures / f"{name}_{trials}.png"
                with served(root) as address:
                    seconds, errors = measure(address, page, Path(folder, name), picture)
                lines.append(
                    f"{trials:6}  {name:19}  {seconds:7.1f}  {'; '.join(errors) or 'none'}"
                )
    print("\n".join(lines))
    if options.page:
        words = " ".join(["benchmarks.dashboard", "--trials", *map(str, options.trials)])
        PAGE.put(options.page, "pages", words, "\n".join(lines))


if __name__ == "__main__":
    main()
