"""Run the demos and write into their pages what tuning gained.

Usage: python tools/demo_pages.py [paddle keras ...]

Runs the command in `demo/<name>/README.md` with the Python that runs this script, which needs the
library, and replaces what stands between the marks there.
"""

from __future__ import annotations

import csv
import importlib.metadata
import platform
import re
import resource
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
# The demos with a page that this script writes, and the packages to name with their versions.
DEMOS: Mapping[str, Sequence[str]] = {
    "keras": ("keras", "torch"),
    "lightgbm": ("lightgbm",),
    "lightning": ("lightning", "torch"),
    "paddle": ("paddlepaddle",),
    "transformers": ("transformers", "torch"),
    "xgboost": ("xgboost",),
}
BEGIN, END = "<!-- result -->\n", "<!-- end -->\n"
CORES = 2
_LAST_OTHER_COLUMN = "seconds"  # of trials.csv, before the hyperparameters


@dataclass(frozen=True)
class Run:
    """What a run found: its trials, as in trials.csv, and the CPU time of all its processes."""

    trials: Sequence[Mapping[str, str]]
    is_lower_better: bool
    cpu_s: float


def page(name: str) -> Path:
    """Return the page of a demo."""
    return ROOT / "demo" / name / "README.md"


def command(text: str) -> list[str]:
    """Return the words after `autofinetune` in the page of a demo."""
    (line,) = re.findall(r"^autofinetune (.*)$", text.replace("\\\n", " "), re.MULTILINE)
    return shlex.split(line)


def run(words: Sequence[str], output_dir: Path) -> Run:
    """Run a demo with its output in another directory."""
    words = [word for word in words if not word.startswith("--output_dir=")]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "autofinetune", *words, f"--output_dir={output_dir}"],
        cwd=ROOT, check=True,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)
    with (output_dir / "trials.csv").open(newline="") as file:
        trials = list(csv.DictReader(file))
    return Run(trials, "--direction=minimize" in words, used)


def result(found: Run, packages: Sequence[str]) -> str:
    """Return what a page says of a run, in Markdown."""
    scored = [trial for trial in found.trials if trial["state"] == "COMPLETED"]
    choose = min if found.is_lower_better else max
    best = choose(scored, key=lambda trial: float(trial["score"]))
    versions = [f"{name} {importlib.metadata.version(name)}" for name in packages]
    rows = [
        _row("before: the initial values", found.trials[0]),
        _row(f"after: the best of {len(found.trials)} trials", best),
    ]
    made = ", ".join([f"Python {platform.python_version()}", *versions])
    return (
        "| | score | hyperparameters |\n|---|---|---|\n" + "\n".join(rows) + "\n\n"
        f"Written by `tools/demo_pages.py` with {made}. The run took {found.cpu_s:.0f} s of CPU "
        f"time,\nwhich is {found.cpu_s / CORES:.0f} s on {CORES} cores.\n"
    )


def _row(what: str, trial: Mapping[str, str]) -> str:
    names = list(trial)
    hyperparameters = names[names.index(_LAST_OTHER_COLUMN) + 1 :]
    params = ", ".join(f"`{name}={_short(trial[name])}`" for name in hyperparameters)
    return f"| {what} | {_short(trial['score'])} | {params} |"


def _short(text: str) -> str:
    try:
        return f"{float(text):.4g}"
    except ValueError:
        return text


def replaced(text: str, inside: str) -> str:
    """Return the page with other text between its marks."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}{inside}{END}{rest.split(END)[1]}"


def main(names: Sequence[str]) -> None:
    """Run demos and write their pages."""
    for name in names or DEMOS:
        text = page(name).read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory() as directory:
            found = run(command(text), Path(directory, "result"))
        page(name).write_text(replaced(text, result(found, DEMOS[name])), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
