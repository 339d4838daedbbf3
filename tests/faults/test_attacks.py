"""Directories and records that somebody else made: F63 to F66, F73, F78, F79, F84 and F85."""
# ruff: noqa: N802

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autofinetune.cli import main
from autofinetune.runner.cgroup import planned_cgroup, recorded_cgroup
from autofinetune.sinks.best_model import describe_files
from tests.faults.harness import DEADLINE_S, FaultRun, wait_until
from tests.faults.oracle import check_invariants
from tests.faults.test_trial_behaviour import write_script

OTHER = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="another user can be played by root")


RUN = {"rounds": 1}


@pytest.fixture
def done(run: FaultRun) -> FaultRun:
    """A run that is over."""
    assert run.finish() == 0, run.console
    check(run)
    return run


def check(run: FaultRun, code: int = 0) -> None:
    assert check_invariants(run.output_dir, run.ledger, code=code) == [], run.console


def outside(run: FaultRun) -> Path:
    """A file, and a directory with a file, that nobody may touch."""
    precious = run.root / "precious"
    precious.mkdir()
    (precious / "key").write_text("secret")
    (precious / "key").chmod(0o600)
    return precious


def is_untouched(precious: Path) -> bool:
    return [(p.name, p.read_text()) for p in precious.iterdir()] == [("key", "secret")]


# --- links --------------------------------------------------------------------------------------

FILES = (
    ".trials.csv.tmp", ".log_file.txt.tmp", ".best_model.json.tmp", ".config.yaml.tmp",
    "trials.csv", "log_file.txt", "config.yaml", "best_model.json",
)  # fmt: skip
FOLDERS = (
    "visualization",
    "best_model",
    ".best_model.new",
    ".best_model.old",
    "visualization/pop_0",
)


@pytest.mark.parametrize("name", FILES)
def test_F63_a_link_in_the_place_of_a_file_is_not_followed(done: FaultRun, name: str) -> None:
    precious = outside(done)
    with contextlib.suppress(FileNotFoundError):
        (done.output_dir / name).unlink()
    (done.output_dir / name).symlink_to(precious / "key")
    shutil.rmtree(done.paths.best_model)  # which is made anew then, with all that belongs to it
    assert done.finish("rebuild", done.out) == 0, done.console
    assert is_untouched(precious)
    check(done)


@pytest.mark.parametrize("name", FOLDERS)
def test_F63_a_link_in_the_place_of_a_directory_is_not_followed(done: FaultRun, name: str) -> None:
    precious = outside(done)
    shutil.rmtree(done.output_dir / name, ignore_errors=True)
    (done.output_dir / name).symlink_to(precious)
    done.paths.best_model_manifest.unlink()
    assert done.finish("rebuild", done.out) == 0, done.console
    assert is_untouched(precious)
    check(done)


@pytest.mark.parametrize("name", ["round0", "round0/model-0", "round0/log-0.info", "trials"])
def test_F63_a_new_trial_does_not_write_through_a_link(run: FaultRun, name: str) -> None:
    run.plan({"*": {"hold": "go"}})
    life = run.start()
    wait_until(lambda: len(run.lines("start")) == 2)
    run.kill(life)
    for pid in run.survivors():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 9)
    wait_until(lambda: not run.survivors())
    precious = outside(run)
    path = run.output_dir / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    path.symlink_to(precious / "key" if name.endswith(".info") else precious)
    run.release()
    assert run.finish() == 0, run.console
    assert is_untouched(precious)
    if name != "trials":  # with which it is forgotten that trials were started
        check(run)


@pytest.mark.parametrize("name", ["run.db", "run.db-wal", "run.lock"])
def test_F63_a_link_in_the_place_of_the_journal_is_refused(done: FaultRun, name: str) -> None:
    precious = outside(done)
    (done.output_dir / name).unlink(missing_ok=True)
    (done.output_dir / name).symlink_to(precious / "key")
    for words in (["resume", done.out], ["rebuild", done.out]):
        assert done.finish(*words) == 4, done.console
    assert "Traceback" not in done.console
    assert is_untouched(precious)


def test_F64_a_round_that_is_no_number_names_no_directory(done: FaultRun) -> None:
    elsewhere = done.root / "elsewhere" / "model-0"
    elsewhere.mkdir(parents=True)
    (elsewhere / "precious").touch()
    with changed(done) as rows:
        for row in rows:
            if "round" in row.body:
                row.body["round"] = "0/../../elsewhere"
            if "config" in row.body:
                row.body["config"]["keep_models"] = "best"
    for words in (["rebuild", done.out], ["resume", done.out], ["lineage", done.out]):
        assert done.finish(*words) == 4, done.console
    assert "event TrialCreated: round is not a whole number" in done.console
    assert "Traceback" not in done.console
    assert (elsewhere / "precious").exists()


@pytest.mark.parametrize("name", ["round0", "round0/model-0"])
def test_F66_a_link_in_the_place_of_a_model_is_not_copied(done: FaultRun, name: str) -> None:
    precious = outside(done)
    (precious / "model-0").mkdir()
    (precious / "model-0" / "key").write_text("secret")
    best = done.state().best
    assert best is not None
    path = done.output_dir / name.replace("-0", f"-{best.member}")
    shutil.rmtree(path)
    path.symlink_to(precious)
    shutil.rmtree(done.paths.best_model)
    done.finish("rebuild", done.out)
    assert "Traceback" not in done.console
    assert not done.paths.best_model.is_dir()
    assert not any("key" in path.name for path in done.output_dir.rglob("*") if path != path)
    assert describe_files(precious).keys() == {"key", "model-0/key"}


# --- other users --------------------------------------------------------------------------------


@pytest.fixture
def shared() -> Iterator[Path]:
    """A directory into which every user can go."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def as_other(code: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run Python as another user."""
    begin = f"import os, socket, sys; os.setgroups([]); os.setgid({OTHER}); os.setuid({OTHER})\n"
    return subprocess.run(
        [sys.executable, "-c", begin + code, *words], capture_output=True, text=True, check=False
    )


PRY = """
tried = {
    "list": lambda: os.listdir(sys.argv[1]),
    "read": lambda: open(sys.argv[1] + "/run.db"),
    "write": lambda: open(sys.argv[1] + "/trials.csv", "a"),
    "make": lambda: os.symlink("/etc/passwd", sys.argv[1] + "/.trials.csv.tmp"),
    "enter": lambda: os.chdir(sys.argv[1]),
    "signal": lambda: os.kill(int(sys.argv[2]), 0),
    "environment": lambda: open(f"/proc/{sys.argv[2]}/environ").read(),
    "socket": lambda: socket.socket(socket.AF_UNIX).connect(sys.argv[1] + "/run.lock"),
}
for name, attempt in tried.items():
    try:
        attempt()
    except PermissionError:
        continue
    print(name)
"""


@needs_root
def test_F65_another_user_can_do_nothing_to_a_run(run: FaultRun, shared: Path) -> None:
    run.out = str(shared / "result")
    run.plan({"*": {"hold": "go"}})
    life = run.start()
    wait_until(lambda: len(run.lines("start")) == 2)
    tried = as_other(PRY, run.out, str(run.lines("start")[0].pid))
    assert (tried.stdout, tried.stderr) == ("", "")
    assert stat.S_IMODE(run.output_dir.stat().st_mode) == 0o700
    private = [run.paths.journal, *run.output_dir.glob("trials/*/*/spec.json")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}
    run.release()
    assert life.wait(DEADLINE_S) == 0, run.console
    check(run)


MADE = {
    "foreign": (OTHER, 0o755, "belongs to"),
    "for all": (0, 0o777, "every user may write"),
    "sticky": (0, 0o1777, "every user may write"),
    "of a group": (0, 0o775, "its group may write"),
}


@needs_root
@pytest.mark.parametrize("kind", MADE)
def test_F65_a_directory_that_others_can_change_is_refused(run: FaultRun, kind: str) -> None:
    precious = outside(run)
    owner, mode, why = MADE[kind]
    run.output_dir.mkdir()
    for name in ("run.db", ".trials.csv.tmp", ".config.yaml.tmp"):
        (run.output_dir / name).symlink_to(precious / "key")
    os.chown(run.output_dir, owner, OTHER)
    run.output_dir.chmod(mode)
    before = sorted(path.name for path in run.output_dir.iterdir())
    for words in (run.new_words(), ["resume", run.out], ["rebuild", run.out],
                  ["status", run.out], ["lineage", run.out]):  # fmt: skip
        assert run.finish(*words) == 4, run.console
    assert run.console.count(why) == 5
    assert "AUTOFINETUNE_TRUST_OUTPUT_DIR=1" in run.console
    assert "Traceback" not in run.console
    assert is_untouched(precious)
    assert sorted(path.name for path in run.output_dir.iterdir()) == before


@needs_root
def test_F65_whoever_is_trusted_may_own_the_directory(run: FaultRun) -> None:
    run.output_dir.mkdir()
    os.chown(run.output_dir, OTHER, OTHER)
    run.env["AUTOFINETUNE_TRUST_OUTPUT_DIR"] = "1"
    assert run.finish() == 0, run.console
    check(run)


# --- records ------------------------------------------------------------------------------------

FORGED = {
    "started.json": [
        '{"pid": 1}', '{"pid": "1", "start_time": 1, "boot_id": ""}', "[]", "[" * 100_000,
        '{"pid": 1e400, "start_time": 1, "boot_id": "x"}', '{"cgroups": [1, null, "a\\u0000b"]}',
    ],
    "exit.json": [
        '{"why": "exit", "returncode": 0, "seconds": 1e400}',
        '{"why": "exit", "returncode": 0, "seconds": 1, "survivors": "abc"}',
        '{"why": "exit", "returncode": 0, "seconds": 1, "survivors": [-1, "x"]}',
        '{"why": "exit", "returncode": true, "seconds": 1}',
        '{"why": ["exit"], "returncode": 0, "seconds": 1}',
        '{"why": "exit", "returncode": 0, "seconds": 1, "leftovers": "many"}',
        "[" * 100_000,
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name, texts in FORGED.items() for text in texts],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_F73_forged_records_are_not_believed(run: FaultRun, name: str, text: str) -> None:
    write_script(
        run,
        f"""
if TRIAL == 0 and os.environ["AUTOFINETUNE_MARK"].endswith("/1"):
    with open(os.path.join(HERE, {name!r}), "w") as file:
        file.write({text!r})
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(1000)
save()
finish(0.5 + TRIAL)
""",
    )
    assert run.finish() == 0, run.console
    assert "Traceback" not in run.console
    (run.paths.attempt_dir(0, 1) / name).unlink(missing_ok=True)
    check(run)
    assert [trial.lost for trial in run.state().trials.values()] == [("runner_lost",), ()]
    assert run.state().quarantined == {}


class Row:
    """One event in a journal."""

    def __init__(self, seq: int, kind: str, body: Any) -> None:
        self.seq, self.kind, self.body = seq, kind, body


@contextlib.contextmanager
def changed(run: FaultRun) -> Iterator[list[Row]]:
    """The events of a journal, to be changed."""
    with contextlib.closing(sqlite3.connect(run.paths.journal)) as database:
        read = database.execute("SELECT seq, kind, body FROM events ORDER BY seq").fetchall()
        rows = [Row(seq, kind, json.loads(body)) for seq, kind, body in read]
        yield rows
        for row in rows:
            database.execute(
                "UPDATE events SET kind = ?, body = ? WHERE seq = ?",
                (row.kind, json.dumps(row.body), row.seq),
            )
        database.commit()


JUNK: tuple[Any, ...] = (
    None, True, -1, 0, 1.5, 10**30, 2**53, float("inf"), float("nan"), "", "x" * 100, "FAILED",
    "\x1b[2J", "../..", [], [1], [[]], {}, {"a": 1}, {"lr": "\x1b"},
)  # fmt: skip


def mutate(rows: list[Row], rng: random.Random) -> None:
    """Change one thing in one event."""
    row = rng.choice(rows)
    how = rng.randrange(10)
    if how == 0:
        row.kind = rng.choice([*{row.kind for row in rows}, "Nothing"])
    elif how == 1:
        row.body = rng.choice(JUNK)
    elif how == 2:
        other = rng.choice(rows)
        row.kind, row.body = other.kind, other.body
    elif how == 3 and rows[0].body["config"]:
        config = rows[0].body["config"]
        config[rng.choice(list(config))] = rng.choice(JUNK)
    elif how == 4:
        config = rows[0].body["config"]
        del config[rng.choice(list(config))]
    elif isinstance(row.body, dict):
        row.body[rng.choice(list(row.body))] = rng.choice(JUNK)


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pages: to write them takes most of the time."""
    monkeypatch.setitem(sys.modules, "visualdl", None)


@pytest.mark.usefixtures("quiet")
def test_F78_a_changed_journal_is_one_message(
    run: FaultRun, capsys: pytest.CaptureFixture[str]
) -> None:
    run.rounds = 2
    assert run.finish() == 0, run.console
    whole = run.paths.journal.read_bytes()
    codes = []
    for seed in range(250):
        run.paths.journal.write_bytes(whole)
        with changed(run) as rows:
            mutate(rows, random.Random(seed))
        for command in ("status", "lineage", "rebuild"):
            code = main([command, str(run.output_dir)])
            said = capsys.readouterr()
            assert code in (0, 2, 4), (seed, said)
            assert (code == 0) == (said.err == ""), (seed, said)
            assert "\x1b" not in said.out + said.err
            codes.append(code)
    assert codes.count(4) > len(codes) / 4


@pytest.mark.usefixtures("quiet")
def test_F78_a_journal_with_other_bytes_is_one_message(
    done: FaultRun, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = bytearray(done.paths.journal.read_bytes())
    rng = random.Random(0)
    for seed in range(100):
        damaged = bytearray(whole)
        for _ in range(rng.choice([1, 3, 30])):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        done.paths.journal.write_bytes(damaged)
        for command in ("status", "lineage", "rebuild"):
            assert main([command, str(done.output_dir)]) in (0, 2, 4), seed
            assert "\x1b" not in capsys.readouterr().out


def test_F78_a_changed_journal_is_not_resumed(run: FaultRun) -> None:
    life = run.start()
    run.plan({"*": {"hold": "go"}})
    wait_until(lambda: run.lines("start"))
    run.kill(life)
    run.release()
    wait_until(lambda: not run.survivors())
    with contextlib.closing(sqlite3.connect(run.paths.journal)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole = run.paths.journal.read_bytes()
    for field, junk in (("point", [1]), ("params", {"lr": []}), ("config", {}), ("at", "now")):
        run.paths.journal.write_bytes(whole)
        with changed(run) as rows:
            for row in rows:
                if field in row.body:
                    row.body[field] = junk
        code = run.finish("resume", run.out)
        assert code in (3, 4), run.console
        assert "Traceback" not in run.console
    run.paths.journal.write_bytes(whole)
    assert run.finish() == 0, run.console


ENDLESS = """
ALTER TABLE events RENAME TO kept;
CREATE VIEW events(seq, kind, body) AS
WITH RECURSIVE more(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM more)
SELECT n, kind, body FROM more, kept WHERE kept.seq = 1 + (n > 1);
"""
CIRCLE = """
UPDATE events SET body = json_set(body, '$.parent', 1 - json_extract(body, '$.trial'))
WHERE kind = 'TrialCreated'
"""


@pytest.mark.parametrize("script", [ENDLESS, CIRCLE], ids=["endless", "circle"])
def test_F79_a_journal_without_end_is_refused(done: FaultRun, script: str) -> None:
    with contextlib.closing(sqlite3.connect(done.paths.journal)) as database:
        database.executescript(script)
    commands = ["lineage", "rebuild", "resume", "replay"] + (
        ["status"] if script is ENDLESS else []
    )
    for command in commands:
        assert done.finish(command, done.out) == 4, (command, done.console)
    other = [word.replace("result", "other") for word in done.new_words()]
    assert done.finish(*other, f"--warm_start={done.out}") == 2, done.console
    assert "Traceback" not in done.console


# --- control groups and terminals ---------------------------------------------------------------


def test_F84_only_a_group_that_a_runner_can_have_made_is_killed(tmp_path: Path) -> None:
    victim = planned_cgroup(f"faults-{os.getpid()}/0/1")
    victim.make()
    if not victim.paths:
        pytest.skip("no control group can be made")
    process = subprocess.Popen(["sleep", "1000"])
    try:
        victim.move([process.pid])
        name = "autofinetune-x-0-1"
        link = tmp_path / name
        link.symlink_to(victim.paths[0])
        crafted = [
            str(link), f"{victim.paths[0]}/../{Path(victim.paths[0]).name}", f"{tmp_path}/{name}/",
            f"{Path(victim.paths[0]).parent}/x/../{name}", "", 7, None,
        ]  # fmt: skip
        found = recorded_cgroup("x/0/1", crafted)
        assert found.pids() == []
        found.kill()
        assert process.poll() is None
        assert recorded_cgroup(f"faults-{os.getpid()}/0/1", victim.paths).pids() == [process.pid]
    finally:
        process.kill()
        process.wait()
        victim.remove()


def test_F84_no_stranger_is_watched_or_signalled_as_a_runner(run: FaultRun) -> None:
    """A started.json that names a living process of ours which is no runner of this attempt."""
    stranger = subprocess.Popen(["sleep", "1000"])
    try:
        write_script(
            run,
            f"""
from autofinetune.runner.processes import identity
if TRIAL == 0 and os.environ["AUTOFINETUNE_MARK"].endswith("/1"):
    with open(os.path.join(HERE, "started.json"), "w") as file:
        json.dump(identity({stranger.pid}), file)
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(1000)
save()
finish(0.5 + TRIAL)
""",
        )
        assert run.finish() == 0, run.console
        check(run)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


CODES = "\x1b[2J\x1b[31m\nDONE\r\u202e"


def test_F85_what_a_journal_says_cannot_draw_on_the_terminal(done: FaultRun) -> None:
    with changed(done) as rows:
        for row in rows:
            for name in ("slot", "reason"):
                if name in row.body:
                    row.body[name] += CODES
            if "params" in row.body:
                row.body["params"]["lr"] = f"0.1{CODES}"
        rows[-1].body["reason"] = f"error: {CODES}"
    before = len(done.console)
    for words in (["status", done.out], ["lineage", done.out], ["rebuild", done.out]):
        done.finish(*words)
    said = done.console[before:]
    assert "\\x1b[2J" in said
    assert not {"\x1b", "\r", "\u202e"} & set(said)
    assert "DONE" not in said.splitlines()


def test_F85_a_lock_cannot_either(run: FaultRun) -> None:
    run.plan({"*": {"hold": "go"}})
    life = run.start()
    wait_until(lambda: len(run.lines("start")) == 2)
    run.paths.lock.write_text(CODES)
    assert run.finish("resume", run.out) == 5
    assert "\x1b" not in run.console
    run.release()
    assert life.wait(DEADLINE_S) == 0
