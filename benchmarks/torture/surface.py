"""Broken files in an output directory, met by every command that reads one."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.faults.harness import FaultRun
from tests.faults.mutants import cut_out, flip, mutant_of_yaml, put_word, repeat, set_bytes, tear

from .pool import Bench, shares
from .rows import Outcome

CASES_PER_UNIT = 20
LIMIT_S = 10.0  # for one command
CODES = frozenset({0, 2, 3, 4, 5, 6, 129, 130, 143})
KINDS = (
    "tracebacks", "wrong exit codes", "too slow", "orphans", "files outside", "control codes"
)  # fmt: skip
_GIVE_UP_S = 30.0
_BYTES = (flip, set_bytes, cut_out, tear, repeat, put_word)
_LOOK_S = 0.02


def units(count: int, seed: int) -> list[tuple[int, int]]:
    return [(seed + n, cases) for n, cases in enumerate(shares(count, CASES_PER_UNIT))]


def broken_directories(bench: Bench, unit: tuple[int, int]) -> Outcome:
    """Each case is a copy of a small run with one file changed, and one command."""
    seed, count = unit
    rng = random.Random(seed)
    outcome = Outcome()
    with contextlib.closing(bench.run(popsize=2, rounds=2, gpu="0,1")) as run:
        run.options = ["--max_failures=0"]
        if seed % 2:  # every other one was stopped before its end
            run.plan({"2": {"hold": "go"}, "3": {"hold": "go"}})
            _stop_early(run)
            run.plan({})
        else:
            run.finish()
        outside = _make_outside(run.root / "outside")
        whole = run.output_dir.rename(run.root / "whole")
        for number in range(count):
            _one_case(run, whole, rng, outcome, f"seed {seed} case {number}")
            for change in _changes(run.root / "outside", outside):
                outcome.violate("files outside", f"seed {seed} case {number}: {change}")
            shutil.rmtree(run.output_dir, ignore_errors=True)
            outcome.done["cases"] += 1
    return outcome


def _stop_early(run: FaultRun) -> None:
    life = run.start()
    while len(run.lines("start")) < 4:
        time.sleep(_LOOK_S)
    run.kill(life)
    while left := run.survivors():
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _one_case(run: FaultRun, whole: Path, rng: random.Random, outcome: Outcome, at: str) -> None:
    shutil.copytree(whole, run.output_dir, symlinks=True)
    what = _break(run, rng)
    name = rng.choice(list(_COMMANDS))
    where = f"{at} ({what}; {name})"
    before = len(run.console)
    began = time.monotonic()
    life = run.start(*_COMMANDS[name](run))
    try:
        code = life.wait(_GIVE_UP_S)
    except subprocess.TimeoutExpired:
        life.send_signal(signal.SIGKILL)
        life.wait()
        code = 0
    seconds = time.monotonic() - began
    outcome.see("seconds", seconds)
    run.lives.remove(life)
    said = run.console[before:]
    outcome.done["refused"] += code in (2, 4)
    if seconds > LIMIT_S:
        outcome.violate("too slow", f"{where}: {seconds:.1f} s")
    if code not in CODES:
        outcome.violate("wrong exit codes", f"{where}: {code}: {said[-200:]}")
    if "Traceback (most recent call last)" in said or (run.output_dir / "error.log").exists():
        outcome.violate("tracebacks", f"{where}: {said[-400:]}")
    if any(c in said for c in "\x1b\x00\x07\x9b"):
        outcome.violate("control codes", f"{where}: {said[-200:]!r}")
    if left := run.survivors():
        outcome.violate("orphans", f"{where}: {left}")
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


_COMMANDS: dict[str, Callable[[FaultRun], list[str]]] = {
    "status": lambda run: ["status", run.out],
    "status --json": lambda run: ["status", run.out, "--json"],
    "lineage": lambda run: ["lineage", run.out],
    "lineage of a trial": lambda run: ["lineage", run.out, "3"],
    "rebuild": lambda run: ["rebuild", run.out],
    "resume": lambda run: ["resume", run.out],
    "replay": lambda run: ["replay", run.out, "--gpu=99"],
    "convert": lambda run: ["convert", f"{run.out}/config.yaml"],
    "run of its config.yaml": lambda run: ["run", f"{run.out}/config.yaml", "--dry-run"],
    "warm start": lambda run: [
        *(word for word in run.new_words() if not word.startswith("--output_dir")),
        "--output_dir=other", f"--warm_start={run.out}", "--dry-run",
    ],
    "new run there": lambda run: [*run.new_words(), "--dry-run"],
}  # fmt: skip


# --- what lies outside --------------------------------------------------------------------------


def _make_outside(folder: Path) -> dict[str, bytes]:
    (folder / "private").mkdir(parents=True)
    for name in ("profile", "private/key"):
        (folder / name).write_bytes(f"{name} of the user".encode())
    return _content(folder)


def _content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in folder.rglob("*")
    }


def _changes(folder: Path, before: dict[str, bytes]) -> Iterator[str]:
    now = _content(folder)
    for name in sorted(now.keys() | before.keys()):
        if now.get(name) != before.get(name):
            yield f"{name} was {'changed' if name in before else 'made'}"


# --- what is broken -----------------------------------------------------------------------------


def _break(run: FaultRun, rng: random.Random) -> str:
    """Change one file of the output directory; what was done, in words."""
    root = run.output_dir
    kinds: list[Callable[[], str]] = [
        lambda: _break_events(root / "run.db", rng),
        lambda: _break_events(root / "run.db", rng),
        lambda: _break_events(root / "run.db", rng),
        lambda: _break_bytes(root / "run.db", rng),
        lambda: _break_record(root, rng),
        lambda: _break_record(root, rng),
        lambda: _break_yaml(root / "config.yaml", rng),
        lambda: _put_something(run, rng),
    ]
    return rng.choice(kinds)()


def _break_bytes(path: Path, rng: random.Random) -> str:
    change = rng.choice(_BYTES)
    path.write_bytes(change(rng, path.read_bytes()))
    return f"{path.name}: {change.__name__}"


def _break_yaml(path: Path, rng: random.Random) -> str:
    path.write_bytes(mutant_of_yaml(rng, [path.read_bytes()]))
    return f"{path.name}: a mutant"


_RECORDS = ("started.json", "exit.json", "spec.json", "reports.jsonl", "best_model.json")


def _break_record(root: Path, rng: random.Random) -> str:
    paths = sorted(path for path in root.rglob("*.json*") if path.name in _RECORDS)
    path = rng.choice(paths)
    lines = path.read_bytes().splitlines()
    if rng.random() < 0.3 or not lines:
        return _break_bytes(path, rng)
    at = rng.randrange(len(lines)) if path.name == "reports.jsonl" else 0
    text = path.read_bytes() if at == 0 and path.name != "reports.jsonl" else lines[at]
    changed, what = odd_json(rng, text)
    path.write_bytes(
        changed if path.name != "reports.jsonl"
        else b"\n".join([*lines[:at], changed, *lines[at + 1 :], b""])
    )  # fmt: skip
    return f"{path.relative_to(root)}: {what}"


def _break_events(path: Path, rng: random.Random) -> str:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as journal:
        rows = journal.execute("SELECT seq, kind, body FROM events ORDER BY seq").fetchall()
        seq, kind, body = rng.choice(rows)
        way = rng.random()
        if way < 0.7:
            changed, what = odd_json(rng, body.encode())
            value = changed.decode(errors="surrogateescape")
            with contextlib.suppress(UnicodeEncodeError):
                journal.execute("UPDATE events SET body = ? WHERE seq = ?", (value, seq))
            return f"event {seq} {kind}: {what}"
        statement, words = rng.choice(_STATEMENTS)
        journal.execute(statement, [seq, *rng.choices(rows)[0]][: statement.count("?")])
        return f"event {seq} {kind}: {words}"


_STATEMENTS = [
    ("DELETE FROM events WHERE seq = ?", "deleted"),
    ("DELETE FROM events WHERE seq >= ?", "deleted with all after it"),
    ("DELETE FROM events WHERE seq <= ?", "deleted with all before it"),
    ("INSERT INTO events(kind, body) SELECT kind, body FROM events WHERE seq = ?", "doubled"),
    ("UPDATE events SET seq = -seq WHERE seq = ?", "moved to the front"),
    ("UPDATE events SET kind = 'Unheard' WHERE seq = ?", "of an unknown kind"),
    ("UPDATE events SET kind = 'TrialEnded' WHERE seq = ?", "of another kind"),
    ("UPDATE events SET body = zeroblob(1000) WHERE seq = ?", "a blob"),
    ("UPDATE events SET body = NULL WHERE seq = ? AND 0", "as it was"),
    ("DROP TABLE events", "gone with its table"),
    ("CREATE TRIGGER t AFTER INSERT ON events BEGIN DELETE FROM events; END", "with a trigger"),
    ("PRAGMA user_version = 99", "of a later version"),
    ("PRAGMA application_id = 1", "of another program"),
]  # fmt: skip

_ODD: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, 10**400, -0.5, 1e308, float("nan"),
    float("inf"), "", "0", "x", "../../outside/profile", "/proc/self/mem", "\x1b[2J\x1b[H",
    "\x9b31m", "\x00", "\ud800", "a\nb", "$(touch outside/made)", "x" * 100_000, [], {}, [[]],
    [1, 2], {"pid": 1}, ["outside"], "NaN", "1e5",
]  # fmt: skip


def odd_json(rng: random.Random, text: bytes) -> tuple[bytes, str]:
    """JSON with one value changed, and what was done in words."""
    try:
        document = json.loads(text)
    except ValueError:
        return tear(rng, text), "torn"
    places = list(_places(document))
    if not places or rng.random() < 0.05:
        odd = rng.choice(_ODD)
        return json.dumps(odd).encode(), f"is {odd!r:.40}"
    holder, key = rng.choice(places)
    way = rng.random()
    if way < 0.15:
        del holder[key]
        return json.dumps(document).encode(), f"without {key!r}"
    if way < 0.25 and isinstance(holder, dict):
        holder[rng.choice(["more", "", "__class__", "\x1b[31m"])] = holder[key]
        return json.dumps(document).encode(), f"with more than {key!r}"
    odd = rng.choice(_ODD)
    holder[key] = odd
    return json.dumps(document).encode(), f"{key!r} is {odd!r:.40}"


def _places(document: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) in a document."""
    if not isinstance(document, dict | list):
        return
    keys = document if isinstance(document, dict) else range(len(document))
    for key in list(keys):
        yield document, key
        if isinstance(document[key], dict | list):
            yield from _places(document[key])


def _put_something(run: FaultRun, rng: random.Random) -> str:
    """Put a link, a pipe or a directory where a file or a directory is."""
    root, outside = run.output_dir, run.root / "outside"
    names = ["run.db", "run.lock", "config.yaml", "trials.csv", "log_file.txt", "best_model",
             "best_model.json", "visualization", "round0", "round0/model-0", "round0/log-0.info",
             "trials", "trials/0", "trials/3/attempt-1", "trials/3/attempt-1/exit.json",
             ".trials.csv.tmp", ".best_model.new", ".best_model.old", "run.db-wal"]  # fmt: skip
    path = root / rng.choice(names)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    way = rng.choice(("link", "folder link", "pipe", "directory", "nothing", "dangling link"))
    if way == "link":
        path.symlink_to(outside / "profile")
    elif way == "folder link":
        path.symlink_to(outside / "private")
    elif way == "dangling link":
        path.symlink_to(outside / "made")
    elif way == "pipe":
        os.mkfifo(path)
    elif way == "directory":
        path.mkdir()
    return f"{path.relative_to(root)}: {way}"
