"""Spaces in which trials fail: how many still do, and how good the rest of the search is.

    python -m benchmarks.failing_spaces run --data=yahpo_data --cache=failing.jsonl
        [--causes=memory,divergence,chance] [--shares=0.3,0.5,0.7] [--methods=pshe2,...]
        [--tasks=heldout] [--instances=8] [--seeds=3] [--label=x]
    python -m benchmarks.failing_spaces report (the same) [--page]

LCBench (see `search_quality/yahpo.py`) with a made limit, so that a share of random configurations
fails: those that need the most memory, by the weights of the network and the activations of a
batch; those that take the largest steps of gradient descent; or any, by chance. A hundred trials,
five at a time. Regret is 0 for the best of 50,000 random configurations that do not fail and 1
for a median configuration of the space without failures, which is also the regret of a search in
which nothing succeeded. `run` keeps each search in a file and runs what is missing there.

How each peer learns of a failure: Optuna by a constraint that is violated, and by the worst score
so far, or by the state FAIL, of which its samplers learn nothing; SMAC3 by a crash
that costs as much as the worst trial so far. This project's strategies get no score;
`@before` are those of commit 6684cfb, in which a failed trial counted as the worst.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import hashlib
import itertools
import json
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.page import command
from benchmarks.search_quality import doc, methods, metrics, tasks, yahpo
from benchmarks.search_quality.method import PARALLEL
from benchmarks.search_quality.runner import ONE_THREAD
from benchmarks.search_quality.task import Params, Scale

Array = NDArray[np.float64]
METHODS = (
    *("pshe2", "hazero", "gp", "random", "smac3", "optuna-gp:failures=constraint"),
    *("optuna-tpe:failures=constraint", "optuna-tpe:failures=fail"),
)
TITLE = "Spaces in which trials fail"
TRIALS = 100
POINTS = 50_000
_DRAWN = 20_000  # of these, to find the limit
_INPUTS = 50  # features of a data set


def memory(params: Params) -> float:
    """Bytes of weights, gradients and momentum, and of the activations of a batch."""
    units, layers, batch = (_number(params, n) for n in ("max_units", "num_layers", "batch_size"))
    weights = _INPUTS * units + (layers - 1) * units**2
    return 12.0 * weights + 16.0 * batch * layers * units


def step(params: Params) -> float:
    """How far gradient descent moves for a constant gradient."""
    return _number(params, "learning_rate") / (1.0 - _number(params, "momentum"))


def chance(params: Params) -> float:
    """A number from 0 to 1 that has nothing to do with the values."""
    text = json.dumps(dict(params), sort_keys=True)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2.0**64


CAUSES: dict[str, Callable[[Params], float]] = {
    "memory": memory,
    "divergence": step,
    "chance": chance,
}


_PROSE = "\n\n".join((__doc__ or "").strip().split("\n\n")[2:])


def _number(params: Params, name: str) -> float:
    return float(str(params[name]))


@dataclasses.dataclass(frozen=True)
class Search:
    """One search; `share` is that of random configurations that fail."""

    task: str
    cause: str
    share: float
    method: str
    seed: int


@dataclasses.dataclass(frozen=True)
class Found:
    """Which trials failed, and the regret after each trial; `(TRIALS,)` each."""

    failed: tuple[bool, ...]
    regret: tuple[float, ...]


@functools.cache
def _drawn(data: Path) -> tuple[list[Params], NDArray[np.float32]]:
    rng, space = np.random.default_rng(0), yahpo.space()
    params: list[Params] = [space.decode(u) for u in rng.random((POINTS, space.dim)).tolist()]
    return params, yahpo.inputs(params)


@functools.cache
def limit(data: Path, cause: str, share: float) -> float:
    """What a configuration must not exceed."""
    params, _ = _drawn(data)
    return float(np.quantile([CAUSES[cause](one) for one in params[:_DRAWN]], 1.0 - share))


@functools.cache
def _scores(data: Path, instance: str) -> Array:
    _, x = _drawn(data)
    return np.concatenate(
        [yahpo.scores(data, instance, part) for part in np.array_split(x, len(x) // 10_000)]
    )


@functools.cache
def scale(data: Path, task: str, cause: str, share: float) -> Scale:
    """That of the task, with the best of what does not fail."""
    params, _ = _drawn(data)
    most = limit(data, cause, share)
    runs = np.array([CAUSES[cause](one) <= most for one in params])
    best = float(_scores(data, task.partition("/")[2])[runs].max())
    return Scale(best, tasks.load(task, data).scale.median)


def search(one: Search, data: Path) -> Found:
    """Search with PARALLEL trials at a time."""
    task, most = tasks.load(one.task, data), limit(data, one.cause, one.share)
    method = methods.make(one.method, task.space, TRIALS, one.seed)
    scores: list[float] = []
    while len(scores) < TRIALS:
        asked = method.ask(PARALLEL)
        found = [
            task.evaluate(each.params) if CAUSES[one.cause](each.params) <= most else math.nan
            for each in asked
        ]
        method.tell(asked, found)
        scores += found
    known = scale(data, one.task, one.cause, one.share)
    values = np.nan_to_num(np.array(scores), nan=known.median)
    curve = metrics.regret_curve(np.maximum(values, known.median), TRIALS, known)
    return Found(tuple(map(math.isnan, scores)), tuple(np.round(curve, 5).tolist()))


def read(path: Path) -> dict[Search, Found]:
    """The searches in a file."""
    found = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        entry = json.loads(line)
        failed, regret = tuple(map(bool, entry.pop("failed"))), tuple(entry.pop("regret"))
        found[Search(**entry)] = Found(failed, regret)
    return found


def append(path: Path, one: Search, found: Found) -> None:
    entry = dataclasses.asdict(one) | {"failed": list(map(int, found.failed))}
    with path.open("a") as file:
        file.write(json.dumps(entry | {"regret": found.regret}, separators=(",", ":")) + "\n")


def report(found: dict[Search, Found], searches: Sequence[Search]) -> str:
    """A table for each cause and share, of methods with all searches, the lowest regret first."""
    lines = []
    names = list(dict.fromkeys(one.task for one in searches))
    seeds = sorted({one.seed for one in searches})
    for cause, share in dict.fromkeys((one.cause, one.share) for one in searches):
        rows = []
        for method in dict.fromkeys(one.method for one in searches):
            every = [[Search(n, cause, share, method, s) for s in seeds] for n in names]
            if all(one in found for row in every for one in row):
                failed = np.array([[found[one].failed for one in row] for row in every], float)
                regret = np.array([[found[one].regret for one in row] for row in every])
                cells = [failed.mean(2), failed[:, :, TRIALS // 2 :].mean(2)]
                cells += [regret[:, :, TRIALS // 2 - 1], regret[:, :, -1]]
                words = [*map(_share, cells[:2]), *map(_value, cells[2:])]
                rows.append((float(regret[:, :, -1].mean()), " | ".join([method, *words])))
        if rows:
            lines += ["", f"{cause}: {share:.0%} of random configurations fail; {len(names)} "]
            lines[-1] += f"instances, {len(seeds)} seeds"
            lines += ["method | failed | failed in second half | regret@50 | regret@100"]
            lines += [row for _, row in sorted(rows)]
    return "\n".join(lines).strip()


def _share(values: Array) -> str:
    low, high = metrics.bootstrap(values)
    return f"{values.mean():.1%} [{low:.1%}, {high:.1%}]"


def _value(values: Array) -> str:
    low, high = metrics.bootstrap(values)
    return f"{values.mean():.4f} [{low:.4f}, {high:.4f}]"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.failing_spaces",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=("run", "report"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path("failing.jsonl"))
    parser.add_argument("--causes", default="memory,divergence,chance")
    parser.add_argument("--shares", default="0.3,0.5,0.7")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--tasks", default="heldout", help="as in benchmarks.search_quality")
    parser.add_argument("--instances", type=int, default=8, help="the first so many of LCBench")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--label", default="", help="keep searches as method@label")
    parser.add_argument("--page", action="store_true", help="put the tables into the document")
    words = list(sys.argv[1:] if argv is None else argv)
    given = parser.parse_args(words)
    os.environ |= ONE_THREAD
    wanted = tasks.select(given.tasks.split(","), given.data)
    names = [n for n in tasks.select([f"{yahpo.FAMILY}/*"], given.data) if n in wanted]
    suffix = f"@{given.label}" if given.label else ""
    # A seed of everything before the next one: stopped early, it is a smaller but fair sample.
    searches = [
        Search(name, cause, float(share), method + suffix, seed)
        for seed, method, cause, share, name in itertools.product(
            range(given.seeds),
            given.methods.split(","),
            given.causes.split(","),
            given.shares.split(","),
            names[: given.instances],
        )
    ]
    found = read(given.cache)
    if given.command == "run":
        todo = [one for one in searches if one not in found]
        print(f"{len(todo)} of {len(searches)} searches to run", flush=True)
        began = time.monotonic()
        for count, one in enumerate(todo, 1):
            append(given.cache, one, search(one, given.data))
            if count % 24 == 0 or count == len(todo):
                print(f"{count} searches in {time.monotonic() - began:.0f} s", flush=True)
        return 0
    text = report(found, searches)
    print(text)
    if given.page:
        said = command("failing_spaces", [w for w in words if not w.startswith("--cache")])
        doc.write_section(TITLE, f"{_PROSE}\n\n```\n$ python -m {said}\n{text}\n```")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
