"""How long a slot waits while the model of a new best trial is copied and hashed."""

from __future__ import annotations

import itertools
import json
import statistics
import tempfile
from pathlib import Path

from .runs import machine, tune

# Every trial is better than the one before, so that every model is copied.
TRAIN = """
import json, os, sys, time
began = time.monotonic()
path = os.path.join(os.environ["AUTOFINETUNE_SAVED_PARAMS_DIR"], "weights")
with open(path, "wb") as file:
    for _ in range({mib}):
        file.write(os.urandom(4096) * 256)
trial = int(os.environ["AUTOFINETUNE_TRIAL"])
with open(os.environ["AUTOFINETUNE_REPORT_FILE"], "a") as file:
    file.write(json.dumps({{"final": trial / 1000}}) + "\\n")
with open({ledger!r}, "a") as file:
    file.write(json.dumps([trial, began, time.monotonic()]) + "\\n")
"""


def measure(trials: int, gigabytes: float) -> str:
    """Seconds from the last line of a trial to the first of the next one, on one slot."""
    before = machine()
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        text = TRAIN.format(mib=int(1024 * gigabytes), ledger=str(root / "ledger"))
        tune(
            root, "train.py", text, "--gpu=cpu:1", "--popsize=1", f"--round={trials}",
            "--tuning_strategy=random", "--keep_models=best",
        )  # fmt: skip
        spans = sorted(json.loads(line) for line in (root / "ledger").read_text().splitlines())
    gaps = [two[1] - one[2] for one, two in itertools.pairwise(spans)]
    trained = statistics.median(end - began for _, began, end in spans)
    waits, most = statistics.median(gaps), max(gaps)
    return (
        f"{trials} trials with a model of {gigabytes:g} GB, each better than the one before "
        f"({before}): a trial takes {trained:.2f} s, the slot waits {waits:.2f} s "
        f"(median; at most {most:.2f} s)"
    )
