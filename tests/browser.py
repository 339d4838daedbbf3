"""A headless Chromium for tests of pages; without one, they skip."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

PATIENCE_S = 120.0


def why_not() -> str:
    """Return why there is no browser, or an empty string."""
    for program in ("chromium", "chromedriver"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    try:
        import selenium  # noqa: F401
    except ImportError:
        return "selenium is not installed"
    return ""


needs_browser = pytest.mark.skipif(bool(why_not()), reason=why_not())


class Browser:
    """A window of a headless browser."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, page: Path, *, wait: str = "document.readyState === 'complete'") -> None:
        """Open a file and wait until the JavaScript expression `wait` is true."""
        self.driver.get(page.absolute().as_uri())
        self.until(wait)

    def run(self, script: str, *arguments: object) -> Any:
        """Return what the body of a JavaScript function returns."""
        return self.driver.execute_script(script, *arguments)

    def until(self, expression: str) -> None:
        """Wait until a JavaScript expression is true."""
        wait_until(lambda: bool(self.run(f"return {expression}")), expression)

    def click(self, selector: str) -> None:
        self.run("document.querySelector(arguments[0]).click()", selector)

    def resize(self, width: int, height: int, *, is_phone: bool = False) -> None:
        """Give the page so many pixels, whatever the smallest window is."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def prefer(self, theme: str) -> None:
        """Prefer `light` or `dark` pages, as a setting of the system does."""
        features = [{"name": "prefers-color-scheme", "value": theme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def console(self) -> list[str]:
        """Return the messages of the console since the last call, warnings and errors."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def shoot(self, picture: Path) -> None:
        """Write what the window shows as PNG."""
        self.driver.save_screenshot(str(picture))


def wait_until(is_true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not is_true():
        if time.monotonic() > end:
            raise AssertionError(f"not within {PATIENCE_S} s: {what}")
        time.sleep(0.02)


@contextlib.contextmanager
def opened_browser(width: int = 1280, height: int = 900) -> Iterator[Browser]:
    """A browser with a profile of its own, which talks to nothing but the files it is given."""
    from selenium import webdriver

    with tempfile.TemporaryDirectory() as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium") or ""
        for word in (
            "--headless=new", "--no-sandbox", "--disable-background-networking", "--disable-gpu",
            "--disable-dev-shm-usage", "--no-first-run", f"--user-data-dir={profile}",
            f"--window-size={width},{height}",
        ):  # fmt: skip
            options.add_argument(word)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        service = webdriver.ChromeService(shutil.which("chromedriver") or "")
        driver = webdriver.Chrome(options=options, service=service)
        try:
            yield Browser(driver)
        finally:
            driver.quit()
