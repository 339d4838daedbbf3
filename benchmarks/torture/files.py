"""Broken files: hparam.yaml as people write it, and reports as trials leave them."""

from __future__ import annotations

import contextlib
import json
import math
import random
import re
import signal
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from autofinetune.core.status import Status
from autofinetune.errors import ConfigError
from autofinetune.executors import ExitRecord, Report
from autofinetune.executors.files.reports import MAX_LINE, read_reports
from autofinetune.run.verdict import judge
from autofinetune.space import Space, as_text, load_space
from tests.faults.harness import HPARAM
from tests.faults.mutants import mutant_of_reports, mutant_of_yaml

from .pool import Bench, shares
from .rows import Outcome

EXAMPLES = Path(__file__).parents[2] / "hparam_examples"
FILES_PER_UNIT = 5000
LIMIT_S = 1.0  # for one hparam.yaml
_GIVE_UP_S = 20.0
_LOOKED_AT = 1 << 17  # bytes within which records are looked for


def units(count: int, seed: int) -> list[tuple[int, int]]:
    return [(seed + n, files) for n, files in enumerate(shares(count, FILES_PER_UNIT))]


class TooLong(BaseException):
    """It did not end by itself."""


@contextlib.contextmanager
def given_up_after(seconds: float) -> Iterator[None]:
    def stop(signum: int, frame: object) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


# --- hparam.yaml --------------------------------------------------------------------------------


def yaml_mutants(bench: Bench, unit: tuple[int, int]) -> Outcome:
    """Each is a space, or refused within a second with file and line of every mistake."""
    seed, count = unit
    rng = random.Random(seed)
    corpus = [path.read_bytes() for path in sorted(EXAMPLES.glob("*.yaml"))]
    corpus.append(json.dumps(HPARAM).encode())
    path = bench.directory() / "hparam.yaml"
    outcome = Outcome()
    for number in range(count):
        data = mutant_of_yaml(rng, corpus)
        path.write_bytes(data)
        where = f"seed {seed} mutant {number}"
        began = time.perf_counter()
        try:
            with given_up_after(_GIVE_UP_S):
                space = load_space(path)
        except ConfigError as error:
            outcome.done["refused"] += 1
            for mistake in error.mistakes:
                if not has_place(mistake, path, data):
                    outcome.violate("without a line", f"{where}: {mistake[:200]}")
                    break
        except (Exception, TooLong):
            outcome.violate("tracebacks", f"{where}: {traceback.format_exc()[-300:]}")
        else:
            outcome.done["valid"] += 1
            if problem := what_is_wrong(space):
                outcome.violate("unusable spaces", f"{where}: {problem}")
        seconds = time.perf_counter() - began
        outcome.see("seconds", seconds)
        if seconds > LIMIT_S:
            outcome.violate("too slow", f"{where}: {seconds:.1f} s")
        outcome.done["mutants"] += 1
    return outcome


def has_place(mistake: str, path: Path, data: bytes) -> bool:
    """Whether a mistake begins with a file, line and column that exist."""
    found = re.match(rf"{re.escape(str(path))}:(\d+):(\d+) \S", mistake)
    text = data.decode("utf-8", "replace")
    return found is not None and 1 <= int(found[1]) <= len(text.splitlines()) + 1


def what_is_wrong(space: Space) -> str:
    """Why an accepted space cannot be searched, or nothing."""
    try:
        points = [space.init_point, *([u] * space.dim for u in (0.0, 0.3, 1.0))]
        for point in points:
            if not all(math.isfinite(u) and 0.0 <= u <= 1.0 for u in point):
                return f"a point outside: {point!r}"[:200]
            params = space.decode(point)
            space.encode(params)
            if any("\0" in as_text(value) for value in params.values()):
                return "a value that cannot be an argument"
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:200]
    return ""


# --- the file of reports ------------------------------------------------------------------------


class Pairs(list[Any]):
    """A JSON object as it is written."""


def carried(data: bytes) -> list[float]:
    """The final scores of whole, well-formed lines of at most 64 KiB, by a reading of our own."""
    scores = []
    for line in data[: data.rfind(b"\n") + 1].splitlines(keepends=True):
        if len(line) > MAX_LINE:
            continue
        try:
            record = json.loads(line, object_pairs_hook=Pairs)
        except (ValueError, RecursionError):
            continue
        if not isinstance(record, Pairs):
            continue
        fields = dict(record)
        value = fields.get("final")
        if "intermediate" in fields or isinstance(value, (bool, Pairs)):
            continue
        if isinstance(value, (int, float, str)):
            with contextlib.suppress(ValueError, OverflowError):
                scores.append(float(value))
    return scores


def result_files(bench: Bench, unit: tuple[int, int]) -> Outcome:
    """A trial's score is the last finite one that a well-formed line carries, or there is none."""
    seed, count = unit
    rng = random.Random(seed)
    path = bench.directory() / "reports.jsonl"
    outcome = Outcome()
    for number in range(count):
        data = mutant_of_reports(rng)
        where = f"seed {seed} file {number}"
        try:
            with given_up_after(_GIVE_UP_S):
                finals = read_as_it_grows(rng, path, data)
                verdict = judge(ExitRecord("exit", 0, 1.0), finals)
        except (Exception, TooLong):
            outcome.violate("tracebacks", f"{where}: {traceback.format_exc()[-300:]}")
            continue
        finally:
            outcome.done["files"] += 1
        told = carried(data)
        finite = [score for score in told if math.isfinite(score)]
        wanted = finite[-1] if finite else None
        outcome.done["scored"] += verdict.score is not None
        if verdict.score is not None and verdict.score not in finite:
            outcome.violate("wrong scores", f"{where}: {verdict.score!r}, carried are {told!r}")
        elif verdict.score != wanted or (verdict.status is Status.COMPLETED) != bool(finite):
            outcome.violate("missed scores", f"{where}: {verdict!r}, carried are {told!r}")
    return outcome


def read_as_it_grows(rng: random.Random, path: Path, data: bytes) -> list[float]:
    """The final scores, read while the file is written in up to four pieces, then to its end."""
    records = [found.start() for found in re.finditer(rb"\{", data[:_LOOKED_AT])]
    cuts = sorted(
        rng.choice(records) if records and rng.random() < 0.3 else rng.randint(0, len(data))
        for _ in range(rng.choice((0, 0, 1, 3)))
    )
    path.unlink(missing_ok=True)
    finals: list[float] = []
    offset = 0
    for one, two in zip([0, *cuts], [*cuts, len(data)], strict=True):
        with path.open("ab") as file:
            file.write(data[one:two])
        before = -1
        is_last = two == len(data)
        while offset != before:
            before = offset
            reports, offset = read_reports(path, offset)
            finals += final_scores(reports)
            if not is_last:
                break
    return finals


def final_scores(reports: list[Report]) -> list[float]:
    return [report.score for report in reports if report.kind == "final"]
