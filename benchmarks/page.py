"""Pages of docs that benchmarks write: what each part printed when it was measured last."""

from __future__ import annotations

import datetime
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Page:
    """A document: what stands first, and the titles of its parts by their names, in order."""

    head: str
    titles: Mapping[str, str]

    def put(self, path: Path, part: str, command: str, text: str, first: str = "") -> None:
        """Put what a part printed into the document, instead of what it printed before.

        Args:
            command: what was run, from `python -m` on.
            first: what the part begins with, such as a picture.
        """
        sections = sections_of(path.read_text()) if path.exists() else {}
        sections[self.titles[part]] = (f"{first}\n\n" if first else "") + (
            f"{datetime.date.today().isoformat()}, commit {commit(path.absolute().parent)}:\n\n"
            f"```\n$ python -m {command}\n{text.rstrip()}\n```\n"
        )
        titles = self.titles.values()
        parts = [f"## {title}\n\n{sections[title]}" for title in titles if title in sections]
        missing = [title for title in titles if title not in sections]
        if missing:
            parts.append("Not measured yet: " + "; ".join(missing) + ".\n")
        path.write_text("\n".join([self.head, *parts]))


THROUGHPUT = Page(
    """\
# Throughput

How much of the slots' time is training, and what the tuner adds. Every block is the output of
`python -m benchmarks.throughput PART`; `--page=docs/throughput.md` writes it here. Other
work on the machine makes all figures worse, so each one gives the load before the measurement.
""",
    {
        "busy": "How busy the slots are",
        "first_line": "From a free slot to the first line of the next train.py",
        "overhead": "Overhead of a trial",
        "flat": "Whether later trials cost more",
        "status": "How long the status of a large run takes",
        "models": "Whether a slot waits while the best model is copied",
        "clusters": "On a cluster",
        "gpu": "With a GPU",
    },
)
EPOCHS = Page(
    """\
# Fewer epochs

On 26 sets of learning curves on which nothing was tuned, PSHE2 with `--assessor=auto` ends .020
behind 100 whole trainings with half of their epochs, and .045 with a third (1 is the way from a
median configuration to the best); from a fifth of the epochs on, every other method in the picture
is further behind.

![regret by epochs](epochs_curves.svg)

What is saved by ending hopeless trials early (`--assessor`), and by continuing good models instead
of training from scratch (`--evaluator=populationbased`). Every block is what the command in its
first line printed; `--page=docs/epochs.md` writes it here. The scripts describe the measurements:
[fewer_epochs](../benchmarks/fewer_epochs/__main__.py),
[population_training.py](../benchmarks/population_training.py). LCBench's learning curves are a
clone of <https://github.com/slds-lmu/yahpo_data>. Regret is 0 at the best known final score and 1
at a median one; a search is judged by the complete training that seems best. Where scores say
little before the end, or good trainings start slowly (below), it loses more, and on the real
trainings below `asha` is as good, so it is not the default of `--assessor`.
""",
    {
        "curves": "Early stopping: LCBench, instances on which nothing was tuned",
        "peers": "Early stopping: six of these, with more methods",
        "wide": "Early stopping: the same with 20 trials at a time",
        "noise": "Early stopping: the same with a noise of .05 of (best - median) on every report",
        "noisier": "Early stopping: the same with a noise of .1",
        "made": "Early stopping: curves made to be difficult",
        "real": "Early stopping: real trainings",
        "constants": "Early stopping: what else was tried, on instances for tuning",
        "processes": "Early stopping: wall time with real processes",
        "digits": "Population-based training: handwritten digits",
        "free": "Population-based training: LCBench, where a change counts from the first epoch",
        "lasting": "Population-based training: LCBench, where a bad start counts to the end",
    },
)


def command(module: str, argv: Sequence[str] | None) -> str:
    """How a benchmark was called, from `python -m` on, less the page and where things lie."""
    words = list(sys.argv[1:] if argv is None else argv)
    kept = [word for word in words if not word.startswith("--page")]
    return shlex.join([f"benchmarks.{module}", *map(_elsewhere, kept)])


def _elsewhere(word: str) -> str:
    """As it would be on another machine."""
    option = word.partition("=")[0]
    places = {"--data": "yahpo_data", "--ray": "ray/bin/python", "--nni": "nni/bin/python"}
    places["--optuna"] = "optuna/bin/python"
    return f"{option}={places[option]}" if option in places else word


def sections_of(text: str) -> dict[str, str]:
    """Title to content of the sections of a document."""
    found = {}
    for part in text.partition("\nNot measured yet: ")[0].split("\n## ")[1:]:
        title, _, content = part.partition("\n\n")
        found[title] = content
    return found


def commit(folder: Path) -> str:
    """The commit that the repository around `folder` is at."""
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip() or "unknown"
