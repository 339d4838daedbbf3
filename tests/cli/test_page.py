"""`autofinetune report`: what it writes, says and refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.report.made import make_run

from .conftest import Workplace


def test_the_page_of_a_real_run(workplace: Workplace) -> None:
    assert workplace.tune("--popsize=3", "--round=2", "--crash_at", "1").code in (0, 2)
    assert workplace.tune("--popsize=3", "--round=2", out="other").code == 0
    told = workplace.run("report", "other")
    assert (told.code, told.err) == (0, "")
    assert told.out.startswith("report of 6 trials (")
    assert told.out.endswith("): other/report.html\n")
    text = (workplace.root / "other/report.html").read_text()
    assert text.startswith("<!doctype html>")
    assert "autofinetune run other/config.yaml" in text
    assert workplace.run("report", "other").code == 0  # replaces its own page


@pytest.mark.slow
def test_several_runs_and_figures(workplace: Workplace) -> None:
    first = make_run(workplace.root / "first", 12, failing=5)
    second = make_run(workplace.root / "second", 5, name="cost $1_000 $x")
    told = workplace.run(
        "report", str(first), str(second), "--output", "both.html", "--figures", "figures"
    )
    assert told.code == 0, told.err
    assert told.out.startswith("report of 17 trials")
    assert (workplace.root / "both.html").is_file()
    names = {path.name for path in (workplace.root / "figures").iterdir()}
    count = int(told.out.splitlines()[1].split()[0])
    assert len(names) == 2 * count
    for name in (
        "compared", "1_best_so_far", "2_importance", "2_correlation", "1_slice_1_lr", "1_timeline",
        "1_learning_curves", "2_parallel_coordinates", "1_contour_1_2_lr_units",
    ):  # fmt: skip
        png, svg = (workplace.root / "figures" / f"{name}.{suffix}" for suffix in ("png", "svg"))
        assert png.read_bytes().startswith(b"\x89PNG")
        assert "</svg>" in svg.read_text()


def test_what_cannot_be_written_is_said(workplace: Workplace) -> None:
    run = str(make_run(workplace.root / "run", 3))
    for words, code, message in (
        (["nowhere"], 2, "nowhere holds no run"),
        ([], 2, "RUN"),
        ([run, "--output=train.py"], 2, "train.py exists and is not a report"),
        ([run, "--output=run"], 2, "--output=run is a directory"),
        ([run, "--output=no/page.html"], 2, "there is no directory no"),
        ([run, "--figures=train.py"], 4, "--figures=train.py: "),
    ):
        told = workplace.run("report", *words)
        assert (told.code, message in told.err) == (code, True), told.err
    assert (workplace.root / "train.py").read_text().startswith("\nimport argparse")


def test_without_plotly_it_says_how_to_get_it(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", 3)
    code = (
        "import sys; sys.modules['plotly'] = None\n"
        "from autofinetune.cli import main; raise SystemExit(main(['report', sys.argv[1]]))"
    )
    done = subprocess.run([sys.executable, "-c", code, run], capture_output=True, text=True)
    assert done.returncode == 4
    assert "pip install 'autofinetune[report]'" in done.stderr
    assert not (run / "report.html").exists()
