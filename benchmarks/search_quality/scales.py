"""The scales of regret, drawn once and kept in scales.json.

    python -m benchmarks.search_quality scales --yahpo=DIR

Half a million uniform points of the space for each LCBench instance (the same points for all) and
20,000 for each synthetic function, whose best value is known, and for each mixed space. Instances
that are in the file already are left alone.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path

import numpy as np

from . import mixed, synthetic, yahpo
from .task import Scale

FILE = Path(__file__).parent / "scales.json"
POINTS = 500_000
SYNTHETIC_POINTS = 20_000
SEED = 20_240_229
_CHUNK = 10_000


@functools.cache
def load() -> dict[str, Scale]:
    if not FILE.exists():
        return {}
    entries = json.loads(FILE.read_text())
    return {name: Scale(entry["best"], entry["median"]) for name, entry in entries.items()}


def make(data: Path | None) -> None:
    """Add what is missing to scales.json."""
    known = {name: (scale.best, scale.median) for name, scale in load().items()}
    for problem in synthetic.every_problem():
        if problem.name not in known:
            rng = np.random.default_rng(SEED)
            points = rng.random((SYNTHETIC_POINTS, problem.dim))
            median = float(np.median([-problem.loss(problem.position(u)) for u in points]))
            known[problem.name] = (0.0, median)
    for name in mixed.names():
        if name not in known:
            instance = name.partition("/")[2]
            whole, score = mixed.space(instance), mixed.score(instance)
            drawn = np.random.default_rng(SEED).random((SYNTHETIC_POINTS, whole.dim)).tolist()
            values = [score(whole.decode(u)) for u in drawn]
            known[name] = (max(values), float(np.median(values)))
    _write(known)
    if data is None:
        print("no --yahpo=DIR: only the synthetic functions were scaled")
        return
    missing = [i for i in yahpo.instances(data) if f"{yahpo.FAMILY}/{i}" not in known]
    if not missing:
        return
    rng, space = np.random.default_rng(SEED), yahpo.space()
    rows = [
        yahpo.inputs([space.decode(u) for u in rng.random((_CHUNK, space.dim)).tolist()])
        for _ in range(POINTS // _CHUNK)
    ]
    for instance in missing:
        found = np.concatenate([yahpo.scores(data, instance, x) for x in rows])
        known[f"{yahpo.FAMILY}/{instance}"] = (float(found.max()), float(np.median(found)))
        _write(known)
        print(f"{yahpo.FAMILY}/{instance}: best {found.max():.4f}, median {np.median(found):.4f}")


def _write(known: dict[str, tuple[float, float]]) -> None:
    lines = [
        f"  {json.dumps(name)}: "
        + json.dumps({"best": float(f"{best:.9g}"), "median": float(f"{median:.9g}")})
        for name, (best, median) in sorted(known.items())
    ]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
