"""Show that a change of the code left the searches as they were, and keep the recorded ones.

Recorded searches count only for the code that made them. Where that has changed, some of them are
run again by both codes, on this machine, since the last digits depend on it. If both find the same
scores, all recorded searches of the method get its new digest.
"""

from __future__ import annotations

import dataclasses
import json
import lzma
import subprocess
import sys
from collections.abc import Collection, Iterable
from dataclasses import asdict
from pathlib import Path

from . import cells

_HERE = Path(__file__).parents[2]
_SEARCH = """\
import json, pathlib, sys
from benchmarks.search_quality import cells, tasks
task, method, seed, trials, data = sys.argv[1:]
found = tasks.load(task, pathlib.Path(data) if data else None)
found = cells.run(found, method, int(seed), int(trials))
print(json.dumps([found.code, found.best]))
"""


def run(before: Path, data: Path | None, chosen: Iterable[str], count: int) -> bool:
    """Run `count` searches of each changed method by the code in `before` and by this one.

    Return whether all methods search as before.
    """
    known = set(chosen)
    changed: dict[str, list[cells.Cell]] = {}
    for one in cells.recorded():
        if one.code and "@" not in one.method and one.code != cells.code_of(one.method):
            changed.setdefault(one.method, []).append(one)
    same: set[str] = set()
    for method, recorded in sorted(changed.items()):
        able = [one for one in recorded if one.task in known]
        sample = able[:: max(1, len(able) // count)][:count]
        wrong = [one for one in sample if not _is_the_same(one, before, data)]
        for one in wrong:
            print(f"{method}: another search on {one.task}, seed {one.seed}", flush=True)
        print(f"{method}: {len(sample) - len(wrong)} of {len(sample)} are the same", flush=True)
        if sample and not wrong:
            same.add(method)
    _keep(same)
    return same == changed.keys()


def _is_the_same(one: cells.Cell, before: Path, data: Path | None) -> bool:
    words = (
        one.task,
        one.method,
        str(one.seed),
        str(one.trials),
        str(data.absolute() if data else ""),
    )
    searches = [
        subprocess.Popen(
            [sys.executable, "-c", _SEARCH, *words], cwd=root, stdout=subprocess.PIPE, text=True
        )
        for root in (before, _HERE)
    ]
    (code, old), (_, new) = (json.loads(search.communicate()[0]) for search in searches)
    return bool(old == new and code == one.code)


def _keep(methods: Collection[str]) -> None:
    """Give the recorded searches of these methods the digests of the code as it is."""
    for path in sorted(cells.RECORDED.glob("*.jsonl.xz")):
        found = [
            dataclasses.replace(one, code=cells.code_of(one.method))
            if one.method in methods
            else one
            for one in cells.read(path)
        ]
        lines = "".join(json.dumps(asdict(one), separators=(",", ":")) + "\n" for one in found)
        path.write_bytes(lzma.compress(lines.encode(), preset=9))
