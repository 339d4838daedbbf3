"""What a trial costs on a cluster, and how fast a model goes there and back.

The clusters are real ones of two nodes on this machine (tools/mini_slurm.py, tools/mini_ray.py),
so the daemons and all trials share its cores, and the network is a cable that does not exist.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from tools import mini_ray, mini_slurm

from .overhead import SLOTS, alone, ours, overhead
from .runs import machine, tune

RANDOM = "--tuning_strategy=random"
MODEL = """
import argparse, hashlib, json, os, time
from pathlib import Path
began = time.time()
parser = argparse.ArgumentParser()
for name in ("--x", "--saved_params_dir", "--model_path"):
    parser.add_argument(name, default="")
args = parser.parse_args()
def digest(path):
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            found.update(piece)
    return found.hexdigest()
path = Path(args.saved_params_dir, "weights")
before = digest(Path(args.model_path, "weights")) if args.model_path else ""
with path.open("wb") as file:
    for _ in range({mib}):
        file.write(os.urandom(4096) * 256)
saved = digest(path)
with open(os.environ["AUTOFINETUNE_REPORT_FILE"], "a") as file:
    file.write(json.dumps({{"final": 0.5}}) + "\\n")
with open({ledger!r}, "a") as file:
    file.write(json.dumps([began, time.time(), before, saved]) + "\\n")
"""


@contextlib.contextmanager
def slurm() -> Iterator[Sequence[str]]:
    """Start a cluster, and yield the words with which runs use it."""
    with mini_slurm.mini_slurm() as cluster:
        os.environ.update(cluster.env)
        yield ["--executor=slurm", f"--max_parallel={SLOTS}"]


@contextlib.contextmanager
def ray() -> Iterator[Sequence[str]]:
    with mini_ray.mini_ray() as cluster:
        yield [f"--executor=ray:{cluster.address}", f"--ray_python={cluster.bridge}",
               f"--max_parallel={SLOTS}"]  # fmt: skip


@contextlib.contextmanager
def local() -> Iterator[Sequence[str]]:
    yield []


Started = Callable[[], contextlib.AbstractContextManager[Sequence[str]]]
ENGINES: Mapping[str, tuple[Started, Callable[[], str]]] = {
    "local": (local, str),
    "slurm": (slurm, mini_slurm.missing),
    "ray": (ray, mini_ray.missing),
}


def measure(trials: int, gigabytes: float) -> str:
    """Both for each executor; one whose packages are missing says so."""
    before, base = machine(), 0.0
    lines = [
        f"{trials} trials on {SLOTS} slots, then 3 with a model of {gigabytes:g} GB ({before})"
    ]
    for name, (started, missing) in ENGINES.items():
        if why := missing():
            lines.append(f"    {name}: not measured: {why}")
            continue
        with started() as words, tempfile.TemporaryDirectory() as directory:
            root = Path(directory)
            span = functools.partial(ours, words=[RANDOM, "--log_to=none", *words])
            cost = overhead(root, trials, alone(root), span)
            base = base or cost
            lines.append(
                f"    {name}: {1000 * cost:.0f} ms of slot a trial, {cost / base:.1f} times "
                f"local; {models(root, gigabytes, words)}"
            )
    return "\n".join(lines)


def models(root: Path, gigabytes: float, words: Sequence[str]) -> str:
    """Three trials, of which each continues the model of the one before."""
    place = Path(tempfile.mkdtemp(dir=root))
    ledger = place / "ledger"
    text = MODEL.format(mib=int(1024 * gigabytes), ledger=str(ledger))
    ran = tune(
        place, "train.py", text, "--gpu=cpu:1", "--popsize=1", "--round=3", RANDOM,
        "--min_free_gb=0", "--log_to=none", *words, "--max_parallel=1",
        "--evaluator=populationbased",
    )  # fmt: skip
    noted = [json.loads(line) for line in ledger.read_text().splitlines()]
    begun, ended, read, saved = zip(*noted, strict=True)
    if [*read] != ["", *saved[:-1]]:
        raise RuntimeError("a model is not what it was")
    there = statistics.median(
        start - one.planned_at for start, one in zip(begun[1:], ran[1:], strict=True)
    )
    back = statistics.median(one.ended_at - end for end, one in zip(ended, ran, strict=True))
    return (
        f"a model is there {there:.1f} s after its trial was planned, and back {back:.1f} s after "
        "its end, with its checksum"
    )
