"""The whole command with shared devices, several devices or processes per trial, and cores."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from autofinetune.executors import THREAD_VARIABLES
from tests.cli.conftest import Workplace

DEADLINE_S = 60.0
# Records what it sees; the ranks of a trial wait for each other as in a collective operation.
TRAIN = """
import argparse, json, os, time
import autofinetune as hub

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
parser.add_argument("--units", type=int)
parser.add_argument("--saved_params_dir")
parser.add_argument("--hold", default="")
args = parser.parse_args()
rank, ranks = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
trial = os.environ["AUTOFINETUNE_TRIAL"]
seen = {name: os.environ.get(name) for name in ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS")}
with open(f"seen-{trial}-{rank}", "x") as file:
    json.dump(seen | {"cores": sorted(os.sched_getaffinity(0))}, file)
os.rename(f"seen-{trial}-{rank}", f"note-{trial}-{rank}")
while not all(os.path.exists(f"note-{trial}-{other}") for other in range(ranks)):
    time.sleep(0.005)
while args.hold and not os.path.exists(args.hold):
    time.sleep(0.005)
print("hello")
if rank == 0:
    open(os.path.join(args.saved_params_dir, "weights"), "w").close()
hub.report_final_result(args.lr + rank)
"""
# A driver whose only card has 30 GiB in use by each process that has a file in `vram`.
DRIVER = """
import os
from types import SimpleNamespace

def processes():
    return [int(name) for name in os.listdir("vram") if os.path.exists(f"/proc/{name}")]

def nvmlInit(): pass
def nvmlShutdown(): pass
def nvmlDeviceGetCount(): return 1
def nvmlDeviceGetHandleByIndex(index): return index
def nvmlDeviceGetUUID(handle): return "GPU-1"
def nvmlDeviceGetName(handle): return "A100"
def nvmlDeviceGetMemoryInfo(handle):
    return SimpleNamespace(used=len(processes()) * 30 << 30, total=80 << 30)
def nvmlDeviceGetComputeRunningProcesses(handle):
    return [SimpleNamespace(pid=pid, usedGpuMemory=30 << 30) for pid in processes()]
"""
TORCH_TRAIN = """
import argparse
import torch, torch.distributed as dist
import autofinetune as hub

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
parser.add_argument("--units", type=int)
parser.add_argument("--saved_params_dir")
args = parser.parse_args()
dist.init_process_group("gloo")
total = torch.tensor([dist.get_rank() + 1.0])
dist.all_reduce(total)
assert dist.is_torchelastic_launched()
hub.report_final_result(100 * dist.get_world_size() + total)
dist.destroy_process_group()
"""


@pytest.fixture
def place(workplace: Workplace) -> Workplace:
    (workplace.root / "train.py").write_text(TRAIN)
    return workplace


def words(gpu: str, *more: str) -> list[str]:
    return [
        "train.py", "--param_file=hparam.yaml", f"--gpu={gpu}", "--output_dir=result", "--round=1",
        "--evaluator=fulltrail", "--seed=1", *more,
    ]  # fmt: skip


def rows(root: Path) -> list[dict[str, str]]:
    with (root / "result/trials.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def notes(root: Path) -> dict[str, dict[str, object]]:
    """Return what each process saw, by `<trial>-<rank>`."""
    return {
        path.name.removeprefix("note-"): json.loads(path.read_text())
        for path in root.glob("note-*")
    }


def wait_for_notes(root: Path, count: int) -> None:
    end = time.monotonic() + DEADLINE_S
    while len(list(root.glob("note-*"))) < count:
        assert time.monotonic() < end
        os.sched_yield()


# --- several trials per device ------------------------------------------------------------------


def test_two_trials_run_at_once_on_each_device(place: Workplace) -> None:
    process = place.start(*words("0,1", "--trials_per_gpu=2", "--popsize=5"), "--", "--hold=go")
    wait_for_notes(place.root, 4)
    (place.root / "go").touch()
    out, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, out
    assert "on 4 slots" in out
    by_trial = rows(place.root)
    assert [row["device"] for row in by_trial[:4]] == ["0.1", "1.1", "0.2", "1.2"]
    seen = notes(place.root)
    for row in by_trial:
        assert seen[f"{row['trial']}-0"]["CUDA_VISIBLE_DEVICES"] == row["device"][0]


def with_a_card(place: Workplace) -> dict[str, str]:
    """The environment of a machine with this card; trials use it before they wait."""
    (place.root / "pynvml.py").write_text(DRIVER)
    (place.root / "vram").mkdir()
    use = 'open(f"vram/{os.getpid()}", "x").close()\n'
    (place.root / "train.py").write_text(TRAIN.replace("with open(", f"{use}with open(", 1))
    return {**place.env, "PYTHONPATH": f"{place.root}:{os.environ.get('PYTHONPATH', '')}"}


def test_a_card_gets_as_many_trials_as_its_memory_holds(place: Workplace) -> None:
    more = ("--trials_per_gpu=3", "--min_free_gpu_gb=30", "--popsize=4", "--", "--hold=go")
    process = subprocess.Popen(
        place.command(*words("0", *more)), cwd=place.root, env=with_a_card(place),
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    said = ""
    while "slot 0.3 waits" not in said:
        said = process.stdout.readline()
        assert said
    assert said.endswith(
        "20.0 GiB of the card will be left with 2 running, and each trial may need 30.0 "
        "(--min_free_gpu_gb)\n"
    ) or said.endswith("20.0 GiB of the card are free, --min_free_gpu_gb=30\n")
    wait_for_notes(place.root, 2)
    (place.root / "go").touch()
    out, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0
    assert "WARNING" not in out
    assert {row["state"] for row in rows(place.root)} == {"COMPLETED"}
    assert {row["device"] for row in rows(place.root)} == {"0.1", "0.2"}


# --- several devices and processes per trial ----------------------------------------------------


def test_a_trial_is_a_rank_for_each_of_its_devices(place: Workplace) -> None:
    done = place.run(*words("2,0,1,3", "--gpus_per_trial=2", "--popsize=2"))
    assert done.code == 0, done.err
    assert [row["device"] for row in rows(place.root)] == ["2+0", "1+3"]
    seen = {key: note["CUDA_VISIBLE_DEVICES"] for key, note in notes(place.root).items()}
    assert seen == {"0-0": "2,0", "0-1": "2,0", "1-0": "1,3", "1-1": "1,3"}
    for row in rows(place.root):
        assert float(row["score"]) == float(row["lr"])  # of rank 0, not of rank 1
        log = place.root / f"result/round0/log-{row['member']}.info"
        assert sorted(log.read_text().splitlines()) == ["[rank 1] hello", "hello"]


def test_one_process_may_use_several_devices(place: Workplace) -> None:
    done = place.run(*words("0,1", "--gpus_per_trial=2", "--ranks_per_trial=1", "--popsize=1"))
    assert done.code == 0, done.err
    assert {k: v["CUDA_VISIBLE_DEVICES"] for k, v in notes(place.root).items()} == {"0-0": "0,1"}


def test_a_failed_rank_is_a_failed_trial(place: Workplace) -> None:
    train = place.root / "train.py"
    train.write_text(
        TRAIN.replace("if rank == 0:", "while rank == 0: time.sleep(1)\nif rank == 0:")
    )
    with train.open("a") as file:
        file.write("raise SystemExit(7)")
    done = place.run(*words("cpu:2", "--gpus_per_trial=2", "--popsize=1"))
    assert done.code == 3
    assert [row["reason"] for row in rows(place.root)] == ["exit:7"]


def test_ranks_outlive_the_tuner_and_are_taken_over(place: Workplace) -> None:
    begin = words("cpu:4", "--gpus_per_trial=2", "--popsize=3")
    process = place.start(*begin, "--", "--hold=go")
    wait_for_notes(place.root, 4)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (place.root / "go").touch()
    done = place.run("resume", "result")
    assert done.code == 0, done.err
    assert {row["state"] for row in rows(place.root)} == {"COMPLETED"}
    assert sorted(notes(place.root)) == ["0-0", "0-1", "1-0", "1-1", "2-0", "2-1"]


@pytest.mark.long
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
def test_ranks_reduce_with_torch(place: Workplace) -> None:
    (place.root / "train.py").write_text(TORCH_TRAIN)
    done = place.run(*words("cpu:4", "--gpus_per_trial=2", "--popsize=2"))
    assert done.code == 0, done.err
    assert [row["score"] for row in rows(place.root)] == ["203.0", "203.0"]


# --- cores and threads --------------------------------------------------------------------------


def test_each_trial_keeps_to_its_own_cores(place: Workplace) -> None:
    cores = sorted(os.sched_getaffinity(0))
    count = min(2, len(cores))
    env = {name: value for name, value in place.env.items() if name not in THREAD_VARIABLES}
    process = subprocess.Popen(
        place.command(*words(f"cpu:{count}", "--cpus_per_trial=1", f"--popsize={count}"),
                      "--", "--hold=go"),
        cwd=place.root, env=env, stdout=subprocess.PIPE,
    )  # fmt: skip
    wait_for_notes(place.root, count)
    (place.root / "go").touch()
    process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0
    seen = notes(place.root)
    assert [seen[f"{trial}-0"]["cores"] for trial in range(count)] == [[c] for c in cores[:count]]
    assert {note["OMP_NUM_THREADS"] for note in seen.values()} == {"1"}


def test_cpu_slots_do_not_trample_each_other_and_users_have_the_last_word(
    place: Workplace,
) -> None:
    cores = len(os.sched_getaffinity(0))
    env = {name: value for name, value in place.env.items() if name not in THREAD_VARIABLES}
    for number, given in enumerate([{}, {"OMP_NUM_THREADS": "5"}]):
        command = place.command(*words("cpu:2", "--popsize=2"), f"--output_dir=out{number}")
        subprocess.run(command, cwd=place.root, env=env | given, check=True, capture_output=True)
        expected = given.get("OMP_NUM_THREADS", str(max(1, cores // 2)))
        seen = notes(place.root)
        assert {note["OMP_NUM_THREADS"] for note in seen.values()} == {expected}
        assert all(note["cores"] == sorted(os.sched_getaffinity(0)) for note in seen.values())
        for key in seen:
            (place.root / f"note-{key}").unlink()


# --- output, recording and errors ---------------------------------------------------------------


def test_dry_run_shows_devices_cores_and_ranks(place: Workplace) -> None:
    core = min(os.sched_getaffinity(0))
    more = ("--gpus_per_trial=2", "--cpus_per_trial=1", "--dry-run")
    done = place.run(*words("0,1", *more))
    assert f"\nslot 0+1: devices 0,1, cores {core}, 2 ranks\n" in done.out


@pytest.mark.parametrize(
    ("gpu", "option", "text"),
    [
        ("0,1,2", "--gpus_per_trial=2", "allowed here: 1, 3"),
        ("cpu:2", "--cpus_per_trial=1000", "needs 2000 cores"),
        ("cpu", "--trials_per_gpu=0", "must be a whole number from 1 to 1024"),
    ],
)
def test_what_cannot_be_is_refused(place: Workplace, gpu: str, option: str, text: str) -> None:
    done = place.run(*words(gpu, option))
    assert done.code == 2
    assert text in done.err
    assert not (place.root / "result").exists()


def test_a_resumed_run_keeps_its_placement_or_is_given_another(place: Workplace) -> None:
    begin = words("cpu:2", "--gpus_per_trial=2", "--trials_per_gpu=2", "--popsize=3")
    process = place.start(*begin, "--", "--hold=go")
    wait_for_notes(place.root, 4)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert "cannot be divided" in place.run("resume", "result", "--gpu=cpu:3").err
    done = place.run("resume", "result", "--trials_per_gpu=0")
    assert (done.code, "from 1 to 1024" in done.err) == (2, True)
    again = place.start("resume", "result", "--gpu=cpu:4", "--trials-per-gpu=1")
    wait_for_notes(place.root, 6)  # the other pair of devices is free
    (place.root / "go").touch()
    out, _ = again.communicate(timeout=DEADLINE_S)
    assert again.returncode == 0
    assert (
        "slot cpu:0+cpu:1 waits: trial 0 from before the slots changed still runs on cpu:0+cpu:1.1"
        in out
    )
    names = ["cpu:0+cpu:1.1", "cpu:0+cpu:1.2", "cpu:2+cpu:3"]
    assert [row["device"] for row in rows(place.root)] == names
