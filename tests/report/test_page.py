"""The page in a browser: no errors under its policy, marks in every plot, a table that works."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from autofinetune.cli import main
from autofinetune.core import events as e
from autofinetune.space import load_space
from autofinetune.store.paths import RunPaths
from tests.browser import Browser, needs_browser, opened_browser
from tests.helpers import conditional_space
from tests.report.made import Made, bowl, floats, make_run, making

pytestmark = [needs_browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]
DRAWN = "document.documentElement.dataset.drawn === 'all'"
EVIL = "<img src=x onerror=alert(1)></script><b>x</b>$\\frac{1}{2}$%{x}"
# Plots without any mark: neither a line, point, bar or area, nor a painted pixel of a canvas.
EMPTY = """
const blank = (canvas) => Object.assign(document.createElement('canvas'),
    { width: canvas.width, height: canvas.height });
const isBlank = (canvas) => canvas.toDataURL() === blank(canvas).toDataURL();
const hasMarks = (plot) => [...plot.querySelectorAll(
    '.plot .points path, .plot .point path, .js-line, .js-fill, .contourfill path, .hm image')]
    .some((mark) => mark.tagName === 'image' || (mark.getAttribute('d') || '').length > 4);
return [...document.querySelectorAll('.plot')].filter((plot) => !hasMarks(plot))
    .map((plot) => plot.getAttribute('aria-label'))
    .concat([...document.querySelectorAll('canvas')].filter(isBlank).map(() => 'canvas'));
"""
ROWS = """return [...document.querySelectorAll('#trials tbody tr')]
    .map((row) => [...row.cells].map((cell) => cell.textContent));"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with opened_browser() as opened:
        yield opened


def shown(browser: Browser, runs: Sequence[Path], output: Path | None = None) -> Path:
    """Write the report of the runs, open it, and wait until all is drawn."""
    page = output or runs[0] / "report.html"
    words = ["report", *map(str, runs), *([f"--output={output}"] if output else [])]
    assert main(words) == 0
    browser.resize(1280, 900)
    browser.open(page, wait=DRAWN)
    assert browser.console() == []
    return page


def sections(browser: Browser) -> list[str]:
    found: list[str] = browser.run(
        "return [...document.querySelectorAll('section')].map((one) => one.id)"
    )
    return found


def filtered(browser: Browser, text: str) -> list[list[str]]:
    browser.run(
        "const field = document.querySelector('input[type=search]'); field.value = arguments[0];"
        "field.dispatchEvent(new Event('input'))",
        text,
    )
    rows: list[list[str]] = browser.run(ROWS)
    return rows


@pytest.mark.long
def test_all_sections_have_marks(browser: Browser, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", 60, failing=9, stopping=7, losing=11)
    shown(browser, [run])
    assert sections(browser) == [
        "progress", "curves", "importance", "slices", "contours", "parallel", "timeline",
        "failed", "table", "again",
    ]  # fmt: skip
    assert browser.run(EMPTY) == []
    assert browser.run("return document.querySelectorAll('.plot').length") == 11
    for kind in ("seconds", "steps"):
        browser.click(f"[data-axis={kind}]")
        assert browser.run(EMPTY) == []
    browser.click("#theme")  # dark
    browser.until(DRAWN)
    assert browser.run("return document.documentElement.dataset.theme") == "dark"
    assert browser.run(EMPTY) == []
    assert browser.console() == []


def test_plotly_starts_with_the_kinds_of_plots_in_use(browser: Browser, tmp_path: Path) -> None:
    shown(browser, [make_run(tmp_path / "run", 3)])
    kinds = set(browser.run("return Object.keys(Plotly.PlotSchema.get().traces)"))
    assert kinds >= {"scatter", "bar", "contour", "heatmap"}
    assert not kinds & {"sunburst", "scatter3d", "choropleth"}


def test_the_table_filters_sorts_and_links_logs(browser: Browser, tmp_path: Path) -> None:
    run = make_run(tmp_path / "a run #1%", 70, failing=9)
    shown(browser, [run])
    assert len(browser.run(ROWS)) == 50
    browser.run(
        "[...document.querySelectorAll('button')].find((b) => b.textContent === 'next').click()"
    )
    assert len(browser.run(ROWS)) == 20
    failed = filtered(browser, "state=failed")
    assert [row[1] for row in failed] == ["FAILED"] * 7
    good = filtered(browser, "score>=0.8 adam")
    assert good
    assert all(float(row[2]) >= 0.8 and "adam" in row for row in good)
    assert filtered(browser, "nothing like this") == []
    filtered(browser, "")
    for _ in range(2):
        browser.run("document.querySelector('#trials th:nth-child(3) button').click()")
        scores = [row[2] for row in browser.run(ROWS) if row[2] != "–"]
        numbers = [float(score) for score in scores]
        assert numbers in (sorted(numbers), sorted(numbers, reverse=True))
    links = browser.run(
        "return [...document.querySelectorAll('td a')].map((link) => link.getAttribute('href'))"
    )
    assert len(links) > 50
    browser.run("document.querySelector('#trials td a').removeAttribute('target')")
    browser.click("#trials td a")
    browser.until("document.body && document.body.innerText.includes('epoch 1')")


def test_texts_with_html_stay_texts(browser: Browser, tmp_path: Path) -> None:
    choice = {"name": "kind", "type": "choice", "choices": [EVIL, f"b{EVIL}"]}
    number = {"name": "n", "type": "float", "greater_than": 0.0, "lower_than": 1.0}
    space = load_space({"param_list": [choice, {**number, "init_value": 0.5}]})
    with making(tmp_path / "run", space, name=f"run {EVIL}") as made:
        for count in range(8):
            trial = made.create()
            place, at = made.start(trial)
            if count % 4 == 3:
                made.log(trial, f"{EVIL}\n")
                made.fail(trial, place, at, f"reason {EVIL}")
            else:
                made.end(trial, place, at, score=count / 10)
    shown(browser, [tmp_path / "run"])
    assert (
        browser.run("return document.querySelectorAll('main img, main b b, main i').length") == 0
    )
    assert browser.run("return document.querySelectorAll('script').length") == 3
    text = browser.run("return document.body.textContent")
    assert f"reason {EVIL}" in text
    assert browser.run("return document.querySelector('h1').textContent") == f"run {EVIL}"
    assert browser.run("return document.querySelector('#failures code').textContent") == EVIL
    ticks = browser.run(
        "return [...document.querySelectorAll('.xtick text')].map((t) => t.textContent)"
    )
    assert any(tick.startswith("<img") for tick in ticks)
    assert (
        browser.run("return document.querySelectorAll('.plot tspan[style*=bold], .plot a').length")
        == 0
    )


def test_the_policy_refuses_other_scripts(browser: Browser, tmp_path: Path) -> None:
    page = shown(browser, [make_run(tmp_path / "run", 3)])
    assert "script-src 'sha256-" in page.read_text()
    assert "unsafe-eval" not in page.read_text().partition("<style>")[0]
    browser.run(
        "const script = document.createElement('script'); script.textContent = 'window.evil = 1';"
        "document.body.append(script)"
    )
    assert browser.run("return window.evil") is None
    assert "Content Security Policy" in browser.console()[0]


@pytest.mark.parametrize("kind", ["nested", "thirty", "one", "running", "three"])
def test_any_run_fits_on_a_phone(browser: Browser, tmp_path: Path, kind: str) -> None:
    run = tmp_path / kind
    if kind == "nested":
        make_run(run, 40, conditional_space(), lambda params: float(params.get("lr", 0.0) or 0.0))
    elif kind == "thirty":
        make_run(run, 20, floats(30), bowl)
    elif kind == "one":
        make_run(run, 20, floats(1), bowl)
    elif kind == "running":
        make_run(run, 12, is_over=False, direction="minimize")
    else:
        make_run(run, 3)
    shown(browser, [run])
    assert browser.run(EMPTY) == []
    browser.resize(390, 844, is_phone=True)
    browser.open(run / "report.html", wait=DRAWN)
    assert browser.run("return document.documentElement.scrollWidth") == 390
    assert browser.run(EMPTY) == []
    assert browser.console() == []


@pytest.mark.parametrize("kind", ["empty", "waiting", "failed"])
def test_nothing_to_plot_is_said(browser: Browser, tmp_path: Path, kind: str) -> None:
    run = tmp_path / kind
    if kind == "failed":
        make_run(run, 5, failing=1)
    else:
        make_run(run, 4 if kind == "waiting" else 0, is_over=False)
    shown(browser, [run])
    notices = browser.run("return document.querySelector('.notice').textContent")
    assert notices.startswith("No trial has ")
    assert browser.run(EMPTY) == []
    assert "progress" not in sections(browser)


def population(made: Made) -> None:
    for round_ in range(6):
        for member in range(10):
            parent = None if round_ == 0 else (round_ - 1) * 10 + member // 2
            trial = made.create(parent=parent)
            place, at = made.start(trial)
            made.end(trial, place, at, score=round_ + member / 20)
    made.events.append(e.RunEnded(max(made.free), "done"))


def test_runs_are_compared_and_lineage_is_drawn(browser: Browser, tmp_path: Path) -> None:
    first = make_run(tmp_path / "first", 30)
    with making(tmp_path / "second") as made:
        population(made)
    page = shown(browser, [first, tmp_path / "second"], tmp_path / "both.html")
    assert browser.run("return document.querySelectorAll('#comparison tr').length") > 15
    assert "lineage" not in sections(browser)
    browser.click("#runs button:nth-child(2)")
    browser.until(DRAWN)
    assert "lineage" in sections(browser)
    assert browser.run(EMPTY) == []
    lines = "return document.querySelectorAll('#compare .scatterlayer .js-line').length"
    assert browser.run(lines) == 2
    assert browser.console() == []
    assert RunPaths(page).shown


def test_a_range_on_an_axis_chooses_trials(browser: Browser, tmp_path: Path) -> None:
    shown(browser, [make_run(tmp_path / "run", 30)])
    said = browser.run(
        """
        const canvas = document.querySelector('canvas'), box = canvas.getBoundingClientRect();
        const at = (type, y) => canvas.dispatchEvent(new PointerEvent(type, {
            clientX: box.left + box.width - 50, clientY: box.top + y, pointerId: 1 }));
        canvas.setPointerCapture = () => {};
        at('pointerdown', 46); at('pointermove', 150); at('pointerup', 150);
        return new Promise((done) => setTimeout(() => done(
            document.querySelector('#parallel .note').textContent), 300));
        """
    )
    assert " of 30 trials with a score" in said
