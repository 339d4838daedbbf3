"""The command as a user types it, with real processes and real files."""

from __future__ import annotations

import csv
import filecmp
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from autofinetune.version import __version__
from tests.cli.conftest import Workplace

DEADLINE_S = 60.0


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end
        os.sched_yield()


def rows(root: Path, out: str = "result") -> list[dict[str, str]]:
    with (root / out / "trials.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def table(root: Path, out: str) -> list[tuple[str, ...]]:
    keys = ("trial", "round", "member", "state", "reason", "score", "parent", "lr", "units")
    return [tuple(row[key] for key in keys) for row in rows(root, out)]


def test_a_run_leaves_every_file_of_the_contract(workplace: Workplace) -> None:
    done = workplace.tune("--popsize=3", "--round=2", "--seed=1", "max_seq_len", "128")
    assert done.code == 0, done.err
    out = workplace.root / "result"
    for name in ("log_file.txt", "trials.csv", "run.db", "config.yaml", "best_model.json"):
        assert (out / name).is_file(), name
    for round_ in range(2):
        for member in range(3):
            assert "max_seq_len 128" in (out / f"round{round_}/log-{member}.info").read_text()
            assert (out / f"round{round_}/model-{member}/weights").is_file()
            assert (out / f"visualization/pop_{member}/vdlrecords.pop.log").is_file()
    best = max(rows(workplace.root), key=lambda row: float(row["score"]))
    model = out / f"round{best['round']}/model-{best['member']}"
    assert not filecmp.dircmp(model, out / "best_model").diff_files
    assert "no NVIDIA driver found: trials of --gpu=0,1 run on the CPU" in done.out
    assert f"The final best eval score is {best['score']}." in done.out
    assert "autofinetune dashboard result" in done.out


def test_populations_continue_models_with_one_epoch(workplace: Workplace) -> None:
    assert workplace.tune("--popsize=2", "--round=3", "--seed=1").code == 0
    by_trial = {row["trial"]: row for row in rows(workplace.root)}
    for row in by_trial.values():
        weights = workplace.root / f"result/round{row['round']}/model-{row['member']}/weights"
        generation, parent = 0, row["parent"]
        while parent:
            generation, parent = generation + 1, by_trial[parent]["parent"]
        assert float(weights.read_text()) == 3 + generation


def test_each_slot_has_its_own_device(workplace: Workplace) -> None:
    assert workplace.tune("--popsize=4", "--round=1").code == 0
    lines = (workplace.root / "ledger").read_text().splitlines()
    assert {line.split()[3] for line in lines if line.startswith("start")} == {"0", "1"}


@pytest.mark.parametrize("strategy", ["hazero", "PSHE2"])
def test_the_same_seed_gives_the_same_table(workplace: Workplace, strategy: str) -> None:
    words = (
        "--evaluator=fulltrail", f"--tuning_strategy={strategy}", "--popsize=2", "--round=3",
        "--schedule=round",
    )  # fmt: skip
    for out in ("one", "two"):
        done = workplace.run(
            "train.py", "--param_file", "hparam.yaml", "--gpu=cpu", "--seed=7",
            "--output_dir", out, *words,
        )  # fmt: skip
        assert done.code == 0, done.err
    assert table(workplace.root, "one") == table(workplace.root, "two")


def test_config_yaml_starts_the_same_run_again(workplace: Workplace) -> None:
    words = ("--evaluator=fulltrail", "--popsize=2", "--round=2", "--seed=3", "--schedule=round")
    assert workplace.tune(*words, out="one").code == 0
    done = workplace.run("run", "one/config.yaml", "--output_dir=two")
    assert done.code == 0, done.err
    assert table(workplace.root, "one") == table(workplace.root, "two")


def test_mistakes_of_a_config_yaml_are_told_with_their_lines(workplace: Workplace) -> None:
    (workplace.root / "own.yaml").write_text(
        "script: train.py\ndirecton: minimize\ngpu: cpu:2\nworking_dir: /no/where\n"
        "param_list:\n- {name: lr, type: int, init_value: 1, greater_than: 5, lower_than: 2}\n"
    )
    again = ("run", "own.yaml", "--output_dir=two")
    done = workplace.run(*again)
    assert done.code == 2
    assert "own.yaml:2:11 directon is unknown (did you mean 'direction'?)" in done.err
    assert "own.yaml:4:14 there is no directory /no/where" in done.err
    text = (workplace.root / "own.yaml").read_text().replace("working_dir: /no/where\n", "")
    (workplace.root / "own.yaml").write_text(text.replace("directon: minimize", "popsize: two"))
    assert "own.yaml:5:54 param_list[0] lr: greater_than" in workplace.run(*again).err
    (workplace.root / "own.yaml").write_text(
        text.replace("directon: minimize", "popsize: two").replace("greater_than: 5, ", "")
        .replace("init_value: 1", "init_value: 1, greater_than: 0")
    )  # fmt: skip
    done = workplace.run(*again, "--round=0")
    assert "own.yaml has 2 mistakes" in done.err
    assert "own.yaml:2:10 popsize=two must be a whole number" in done.err
    assert "--round=0 must be a whole number" in done.err
    (workplace.root / "own.yaml").write_text(
        text.replace("directon: minimize", "assessor: asha\nassessor_options: {eta: 0.5}")
        .replace("greater_than: 5, ", "")
        .replace("init_value: 1", "init_value: 1, greater_than: 0")
    )  # fmt: skip
    assert "own.yaml:3:19 assessor_options eta=0.5: eta must be" in workplace.run(*again).err
    good = (workplace.root / "own.yaml").read_text().replace("assessor: asha\n", "")
    good = good.replace("assessor_options: {eta: 0.5}\n", "")
    for line, told in (
        ("gpu: [x, 1]", "own.yaml:1:6 gpu: 'x' in --gpu=x,1 is not a device"),
        ("assessor_options: {a: b}", "own.yaml:1:19 assessor_options are given"),
        ("enqueued: [{a: 3}]", "own.yaml:1:11 enqueued[0]: must have a value for lr"),
        ("earlier: [3]", "own.yaml:1:10 earlier[0]: must be a list"),
        ("replayed: 3", "own.yaml:1:11 replayed: must be a list"),
        ("env: {A: b}", "own.yaml:1:6 env: must be a list of words"),
        ("framework: mx", "own.yaml:1:12 framework: 'mx' is unknown"),
        ("script_args: 3", "own.yaml:1:14 script_args: options for train.py must be words"),
        ("script_args: [--lr=1]", "own.yaml:1:14 script_args: --lr=1: lr is already searched"),
        ('script_args: "\'open"', "own.yaml:1:14 script_args: No closing quotation"),
        ("script: x.py", "own.yaml:1:9 script: there is no script 'x.py'"),
        ('"a\\e[31m\\n": 3', r"own.yaml:1:14 a\x1b[31m\n is unknown"),
    ):
        name = line.partition(":")[0]
        rest = "\n".join(part for part in good.splitlines() if not part.startswith(name))
        (workplace.root / "own.yaml").write_text(f"{line}\n{rest}\n")
        done = workplace.run(*again)
        assert done.code == 2
        assert told in done.err
    (workplace.root / "own.yaml").write_text(f"{good}assessor: asha\nassessor_options: eta=0\n")
    done = workplace.run(*again, "--assessor_options=min_steps=0")
    assert "--assessor_options eta=0: eta must be a number" in done.err
    (workplace.root / "own.yaml").write_text(f"{good}python: /no/python\n".replace(
        "gpu: cpu:2", "gpu: [0]"))  # fmt: skip
    done = workplace.run(*again, "--gpu=cpu:1", "--dry-run")
    assert done.code == 0, done.err
    assert "own.yaml" in done.out + done.err
    assert "python has no effect: trials run with the tuner's Python" in done.out + done.err
    assert not (workplace.root / "two").exists()


def test_an_entry_of_config_yaml_that_does_not_fit_is_named_unless_it_is_replaced(
    workplace: Workplace,
) -> None:
    (workplace.root / "first.csv").write_text("lr,units\n0.02,30\n")
    words = ("--popsize=2", "--round=1", "--enqueue=first.csv")
    assert workplace.tune(*words, out="one").code == 0
    config = workplace.root / "one/config.yaml"
    text = config.read_text()
    assert "units: 30" in text
    config.write_text(text.replace("units: 30", "units: 3000"))
    again = ("run", "one/config.yaml", "--output_dir=two")
    done = workplace.run(*again)
    assert done.code == 2
    assert "enqueued[0]: 3000 is not a value of units" in done.err
    assert "Traceback" not in done.err
    assert not (workplace.root / "two").exists()
    assert workplace.run(*again, "--enqueue=first.csv").code == 0
    assert rows(workplace.root, "two")[1]["units"] == "30"


def test_minimize_turns_the_search_round(workplace: Workplace) -> None:
    assert workplace.tune("--direction=minimize", "--popsize=3", "--round=2").code == 0
    worst = min(float(row["score"]) for row in rows(workplace.root))
    text = (workplace.root / "result/log_file.txt").read_text()
    assert f"The final best eval score is {worst!r}." in text


def test_a_crashed_trial_is_told_and_the_run_goes_on(workplace: Workplace) -> None:
    done = workplace.tune("--popsize=3", "--round=1", "--", "--crash_at=1")
    assert done.code == 0
    assert "was crashed!" in done.out
    assert "RuntimeError: planned crash" in done.out
    assert "round0/log-1.info" in done.out
    row = rows(workplace.root)[1]
    assert (row["state"], row["reason"], row["score"]) == ("FAILED", "exit:1", "")


def test_a_run_in_which_every_trial_fails_exits_3(workplace: Workplace) -> None:
    (workplace.root / "train.py").write_text("raise SystemExit(7)")
    done = workplace.tune("--popsize=2", "--round=1", "--skip-preflight")
    assert done.code == 3
    assert "every trial failed" in done.err
    assert {row["reason"] for row in rows(workplace.root)} == {"exit:7"}
    assert "fix the script" in done.err


def test_a_run_whose_metric_never_came_asks_for_another_name(workplace: Workplace) -> None:
    (workplace.root / "train.py").write_text("print('acc 0.5')")
    done = workplace.tune("--popsize=2", "--round=1", "--skip-preflight", "--metric=acc")
    assert done.code == 3
    assert "give --metric a name that the script logs" in done.err


def test_a_script_in_another_language_can_report(workplace: Workplace) -> None:
    script = workplace.root / "train.sh"
    script.write_text('#!/bin/sh\necho \'{"final": 0.25}\' >> "$AUTOFINETUNE_REPORT_FILE"\n')
    script.chmod(0o755)
    done = workplace.run(
        "./train.sh", "--param_file=hparam.yaml", "--gpu=cpu", "--popsize=2", "--round=1",
        "--skip_preflight", "--output_dir=result",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert [row["score"] for row in rows(workplace.root)] == ["0.25", "0.25"]


def test_the_reporting_command_works_inside_a_trial_and_outside(workplace: Workplace) -> None:
    script = workplace.root / "train.sh"
    report = " ".join(workplace.command("report-final", "0.5"))
    step = " ".join(workplace.command("report-intermediate", "0.4", "--step", "2"))
    script.write_text(f"#!/bin/sh\n{step}\n{report}\n")
    script.chmod(0o755)
    done = workplace.run(
        "train.sh", "--param_file=hparam.yaml", "--gpu=cpu", "--popsize=1", "--round=1",
        "--skip-preflight", "--output_dir=result",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert rows(workplace.root)[0]["score"] == "0.5"
    outside = workplace.run("report-final", "0.5")
    assert outside.code == 0
    assert "not inside a run" in outside.err
    assert workplace.run("report-final", "good").code == 2


def test_a_directory_that_holds_a_run_is_refused_with_the_way_on(workplace: Workplace) -> None:
    assert workplace.tune("--popsize=1", "--round=1").code == 0
    before = (workplace.root / "result/trials.csv").read_bytes()
    done = workplace.tune("--popsize=1", "--round=1")
    assert done.code == 2
    assert "already holds a run (1 of 1 trials done)" in done.err
    assert "autofinetune resume result" in done.err
    assert (workplace.root / "result/trials.csv").read_bytes() == before


def test_files_of_another_tool_are_never_overwritten(workplace: Workplace) -> None:
    (workplace.root / "result").mkdir()
    (workplace.root / "result/log_file.txt").write_text("precious")
    done = workplace.tune("--popsize=1", "--round=1")
    assert done.code == 2
    assert "holds files of another run: log_file.txt" in done.err
    (workplace.root / "file").touch()
    done = workplace.tune("--popsize=1", out="file")
    assert done.code == 2
    assert "is a file" in done.err


def test_resume_of_nothing_and_of_a_finished_run(workplace: Workplace) -> None:
    done = workplace.run("resume", "result")
    assert done.code == 2
    assert "holds no run" in done.err
    assert workplace.run("resume").code == 2
    assert workplace.tune("--popsize=2", "--round=1").code == 0
    for seconds in ("0", "-5", "nan", "inf"):
        done = workplace.run("resume", "result", f"--max_seconds={seconds}")
        assert done.code == 2
        assert "must be a number of seconds above 0" in done.err
    done = workplace.run("resume", "result")
    assert done.code == 0
    assert "2 of 2 trials finished\n" in done.out
    assert sorted(workplace.ledger("start")) == [0, 1]


def test_options_without_effect_are_told(workplace: Workplace) -> None:
    words = ("--warm_args=--epochs=2", "--exploit=better_half", "--dry-run")
    assert "has no effect" not in workplace.tune(*words).out
    told = workplace.tune(*words, "--evaluator=fulltrail").out
    for name in ("warm_args", "exploit"):
        assert f"note: --{name} has no effect with --evaluator=fulltrail" in told


def test_dry_run_shows_the_plan_and_runs_nothing(workplace: Workplace) -> None:
    done = workplace.tune("--popsize=6", "--dry-run", "--seed=1", "max_seq_len", "9")
    assert done.code == 0
    assert "lr: float, init_value 0.001, lower_than 0.05, greater_than 5e-05" in done.out
    assert "slot 0: devices 0\nslot 1: devices 1\n" in done.out
    commands = [line for line in done.out.splitlines() if "train.py" in line]
    assert len(commands) == 6
    assert "--lr=0.001 --units=16 --saved_params_dir=" in commands[0]
    assert "train.py --max_seq_len=9 --lr=" in commands[0]
    assert not (workplace.root / "result").exists()
    assert workplace.ledger("start") == []


def test_the_dry_run_names_the_commands_that_are_then_run(workplace: Workplace) -> None:
    words = ("--popsize=2", "--round=1", "--seed=5")
    planned = [line for line in workplace.tune(*words, "--dry-run").out.splitlines()
               if "train.py" in line]  # fmt: skip
    assert workplace.tune(*words).code == 0
    for row, line in zip(rows(workplace.root), planned, strict=True):
        assert f"--lr={row['lr']} --units={row['units']} " in line


NNI = """\
{"lr": {"_type": "loguniform", "_value": [1e-4, 0.1]},
 "net": {"_type": "choice", "_value": [
   {"_name": "wide", "units": {"_type": "randint", "_value": [16, 65]}}, {"_name": "deep"}]}}
"""
SWEEP = """\
program: train.py
parameters:
  lr: {distribution: log_uniform_values, min: 1e-4, max: 0.1}
  epochs: {value: 2}
  net:
    parameters:
      kind: {values: [wide, deep]}
      wide: {parameters: {units: {min: 16, max: 64}}}
"""
ANY_NET = """
import argparse
from autofinetune import report_final_result
parser = argparse.ArgumentParser()
for name in ("lr", "net", "net.kind", "net.wide.units", "epochs", "saved_params_dir"):
    parser.add_argument(f"--{name}")
given = {name: value for name, value in vars(parser.parse_args()).items() if value is not None}
print(sorted(given))
report_final_result(-float(given["lr"]) + ("net.wide.units" in given))
"""


@pytest.mark.parametrize(
    ("file", "text", "names", "note"),
    [
        ("space.json", NNI, {"lr", "net", "net.wide.units"}, None),
        ("sweep.yaml", SWEEP, {"lr", "epochs", "net.kind", "net.wide.units"},
         "sweep.yaml:1:10 program has no effect here: the script of the command line is run\n"),
    ],
)  # fmt: skip
def test_spaces_of_other_formats_are_run_and_resumed(
    workplace: Workplace, file: str, text: str, names: set[str], note: str | None
) -> None:
    (workplace.root / file).write_text(text)
    (workplace.root / "train.py").write_text(ANY_NET)
    words = ("train.py", f"--param_file={file}", "--gpu=cpu:2", "--output_dir=result")
    common = ("--popsize=4", "--round=2", "--evaluator=fulltrail", "--seed=1")
    planned = workplace.run(*words, *common, "--dry-run")
    assert "net.wide.units: int, init_value 40, lower_than 64, greater_than 16" in planned.out
    done = workplace.run(*words, *common)
    assert done.code == 0, done.err
    told = done.out + done.err
    assert (note in told) if note else ("note:" not in told)
    for row in rows(workplace.root):
        log = workplace.root / f"result/round{row['round']}/log-{row['member']}.info"
        left_out = {"net.wide.units"} if row.get("net") == "deep" else set()
        wanted = sorted(names - left_out | {"saved_params_dir"})
        assert log.read_text().splitlines() == [str(wanted)]
        assert (row["net.wide.units"] == "") == bool(left_out)
    assert workplace.run("resume", "result").code == 0
    again = workplace.run("run", "result/config.yaml", "--output_dir=again")
    assert again.code == 0, again.err
    assert rows(workplace.root, "again")[0]["lr"] == rows(workplace.root)[0]["lr"]


def test_planned_idle_slots_are_told(workplace: Workplace) -> None:
    done = workplace.tune("--popsize=3", "--round=1", "--schedule=round")
    assert "3 trials on 2 slots leave 1 slot idle at the end of each round" in done.out


def test_all_mistakes_of_the_command_line_come_at_once(workplace: Workplace) -> None:
    done = workplace.run("nothing.py", "--popsize=0", "--evaluator=fulltrial", "--round=x")
    assert done.code == 2
    for text in ("nothing.py", "--popsize=0", "did you mean 'fulltrail'", "--round=x", "--gpu",
                 "--param_file"):  # fmt: skip
        assert text in done.err


def test_a_missing_option_of_the_script_is_told_before_any_trial(workplace: Workplace) -> None:
    train = workplace.root / "train.py"
    train.write_text(train.read_text().replace('parser.add_argument("--units", type=int)', ""))
    done = workplace.tune()
    assert done.code == 2
    assert "--units" in done.err
    assert workplace.ledger("start") == []
    assert not (workplace.root / "result").exists()


def test_version_help_and_the_three_ways_to_start(workplace: Workplace) -> None:
    assert workplace.run("--version").out == f"autofinetune {__version__}\n"
    assert "all options: autofinetune run --help" in workplace.run("--help").out
    assert "examples:" in workplace.run("run", "--help").out
    assert workplace.run().code == 0
    done = workplace.run(
        "run", "train.py", "--param-file=hparam.yaml", "--gpu=cpu", "--popsize=1", "--round=1",
        "--output-dir=result",
    )  # fmt: skip
    assert done.code == 0, done.err


def test_the_default_directory_carries_the_time(workplace: Workplace) -> None:
    done = workplace.run(
        "train.py", "--param_file=hparam.yaml", "--gpu=cpu", "--popsize=1", "--round=1"
    )
    assert done.code == 0
    assert len(list(workplace.root.glob("output_*/trials.csv"))) == 1


def test_a_broken_dashboard_library_never_stops_a_run(workplace: Workplace) -> None:
    (workplace.root / "visualdl.py").write_text("raise RuntimeError('broken')")
    env = {**workplace.env, "PYTHONPATH": str(workplace.root)}
    words = ("train.py", "--param_file=hparam.yaml", "--gpu=cpu", "--popsize=2", "--round=1")
    done = subprocess.run(
        workplace.command(*words, "--output_dir=result"), cwd=workplace.root, env=env,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("VisualDL stopped (RuntimeError: broken)") == 1
    assert len(rows(workplace.root)) == 2


# --- signals and kills --------------------------------------------------------------------------


def held(workplace: Workplace, *words: str) -> subprocess.Popen[str]:
    """A run of six trials that wait for the file `go`; two of them have started."""
    process = workplace.start(
        "train.py", "--param_file=hparam.yaml", "--gpu=0,1", "--popsize=3", "--round=2",
        "--seed=1", "--output_dir=result", "--evaluator=fulltrail", "--schedule=round", *words,
        "--", "--hold=go",
    )  # fmt: skip
    wait_until(lambda: len(workplace.ledger("start")) == 2)
    return process


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    out, _ = process.communicate(timeout=DEADLINE_S)
    return process.returncode, out


def until_line(process: subprocess.Popen[str], text: str) -> None:
    """Read output up to a line with `text`; equal signals sent faster would be merged."""
    assert process.stdout is not None
    while text not in (line := process.stdout.readline()):
        assert line, f"it ended without saying {text!r}"


def whole_table(workplace: Workplace) -> list[tuple[str, ...]]:
    done = workplace.tune(
        "--popsize=3", "--round=2", "--seed=1", "--evaluator=fulltrail", "--schedule=round",
        out="whole",
    )  # fmt: skip
    assert done.code == 0
    return table(workplace.root, "whole")


def test_ctrl_c_once_finishes_what_runs_and_resume_does_the_rest(workplace: Workplace) -> None:
    process = held(workplace)
    process.send_signal(signal.SIGINT)
    (workplace.root / "go").touch()
    code, out = finish(process)
    assert code == 130
    assert "no new trials are started" in out
    assert "autofinetune resume result" in out
    assert sorted(workplace.ledger("end")) == [0, 1]
    done = workplace.run("resume", "result")
    assert done.code == 0, done.err
    assert sorted(workplace.ledger("start")) == list(range(6))
    assert table(workplace.root, "result") == whole_table(workplace)


def test_ctrl_c_twice_ends_what_runs(workplace: Workplace) -> None:
    process = held(workplace)
    process.send_signal(signal.SIGINT)
    until_line(process, "no new trials are started")
    process.send_signal(signal.SIGINT)
    until_line(process, "asked to end")
    code, _ = finish(process)
    assert code == 130
    pids = [int(line.split()[2]) for line in (workplace.root / "ledger").read_text().splitlines()]
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    (workplace.root / "go").touch()
    assert workplace.run("resume", "result").code == 0
    assert table(workplace.root, "result") == whole_table(workplace)


def test_terminate_is_like_ctrl_c_with_its_own_exit_code(workplace: Workplace) -> None:
    process = held(workplace)
    process.send_signal(signal.SIGTERM)
    (workplace.root / "go").touch()
    assert finish(process)[0] == 143


def test_a_killed_tuner_loses_nothing_and_runs_nothing_twice(workplace: Workplace) -> None:
    process = held(workplace)
    process.kill()
    finish(process)
    (workplace.root / "go").touch()
    wait_until(lambda: len(workplace.ledger("end")) == 2)
    done = workplace.run("resume", "result")
    assert done.code == 0, done.err
    assert sorted(workplace.ledger("start")) == list(range(6))
    assert {row["attempt"] for row in rows(workplace.root)} == {"1"}
    assert table(workplace.root, "result") == whole_table(workplace)


def test_running_trials_of_a_killed_tuner_are_taken_over(workplace: Workplace) -> None:
    process = held(workplace)
    process.kill()
    finish(process)
    again = workplace.start("resume", "result")
    until_line(again, "2 were running")
    (workplace.root / "go").touch()
    assert finish(again)[0] == 0
    assert sorted(workplace.ledger("start")) == list(range(6))


def test_a_second_tuner_in_the_same_directory_is_refused(workplace: Workplace) -> None:
    process = held(workplace)
    done = workplace.run("resume", "result")
    assert done.code == 5
    assert f"pid {process.pid} on " in done.err
    process.send_signal(signal.SIGINT)
    (workplace.root / "go").touch()
    finish(process)


def test_resume_takes_other_slots(workplace: Workplace) -> None:
    process = held(workplace)
    process.send_signal(signal.SIGINT)
    until_line(process, "no new trials are started")
    process.send_signal(signal.SIGINT)
    finish(process)
    (workplace.root / "go").touch()
    done = workplace.run("resume", "result", "--gpu=cpu:3")
    assert done.code == 0, done.err
    assert {row["device"] for row in rows(workplace.root)} <= {"cpu:0", "cpu:1", "cpu:2"}


def test_a_reader_that_goes_away_does_not_stop_the_run(workplace: Workplace) -> None:
    process = held(workplace)
    assert process.stdout is not None
    process.stdout.close()
    (workplace.root / "go").touch()
    process.wait(timeout=DEADLINE_S)
    assert len(rows(workplace.root)) == 6
    assert {row["state"] for row in rows(workplace.root)} == {"COMPLETED"}


# --- budgets and breakers -----------------------------------------------------------------------


def test_a_script_that_fails_at_once_stops_the_run_with_one_cause(workplace: Workplace) -> None:
    train = workplace.root / "train.py"
    train.write_text(
        train.read_text().replace("trial = int", "raise ImportError('no torch')\nx = int")
    )
    done = workplace.tune("--popsize=5", "--round=10")
    assert done.code == 3
    assert "trials in a row failed within 10 s of starting, the last one with exit:1" in done.err
    assert done.err.count("ImportError: no torch") == 1
    assert "autofinetune resume result" in done.err
    assert len(workplace.ledger("start")) == 0
    assert len(rows(workplace.root)) <= 5


def test_trials_end_with_the_tuner_where_that_is_wanted(workplace: Workplace) -> None:
    process = held(workplace, "--on_tuner_death=kill")
    process.kill()
    finish(process)
    pids = [int(line.split()[2]) for line in (workplace.root / "ledger").read_text().splitlines()]
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    (workplace.root / "go").touch()
    assert workplace.run("resume", "result").code == 0
    assert table(workplace.root, "result") == whole_table(workplace)
    assert sorted(workplace.ledger("start")) == sorted([0, 1, *range(6), *range(6)])


def test_rebuild_writes_everything_anew(workplace: Workplace) -> None:
    assert workplace.tune("--popsize=2", "--round=2", "--seed=1").code == 0
    out = workplace.root / "result"
    kept = {name: (out / name).read_bytes() for name in ("log_file.txt", "trials.csv")}
    model = (out / "best_model/weights").read_bytes()
    for name in kept:
        (out / name).unlink()
    (out / "best_model/weights").write_text("damaged")
    for record in (out / "visualization").rglob("*.log"):
        record.unlink()
    done = workplace.run("rebuild", "result")
    assert done.code == 0, done.err
    assert {name: (out / name).read_bytes() for name in kept} == kept
    assert (out / "best_model/weights").read_bytes() == model
    assert (out / "visualization/vdlrecords.root.log").is_file()
    assert workplace.run("rebuild", "nothing").code == 2


def test_mistakes_in_budgets_are_told(workplace: Workplace) -> None:
    done = workplace.tune("--max_retries=often", "--keep_models=top:0", "--min_free_gb=x")
    assert done.code == 2
    for name in ("--max_retries=often", "--keep_models=top:0", "--min_free_gb=x"):
        assert name in done.err


ONE_THREAD = """
import os
from autofinetune.run.parts import make_strategy
from tests.helpers import config_of
make_strategy(config_of())
import numpy
numpy.ones((400, 400)) @ numpy.ones((400, 400))
print(len(os.listdir("/proc/self/task")), os.environ.get("OMP_NUM_THREADS"))
"""


@pytest.mark.parametrize("given", [None, "7"])
def test_the_strategy_computes_on_one_core_and_the_environment_stays(given: str | None) -> None:
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    env = {name: value for name, value in os.environ.items() if name not in names}
    env |= {} if given is None else dict.fromkeys(names, given)
    done = subprocess.run(
        [sys.executable, "-c", ONE_THREAD], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1", str(given)]


def test_a_run_without_a_dashboard(workplace: Workplace) -> None:
    done = workplace.tune("--log_to=none", "--popsize=2", "--round=1")
    assert done.code == 0, done.err
    assert "dashboard" not in done.out
    assert not (workplace.root / "result" / "visualization").exists()
    assert "has no visualization" in workplace.run("dashboard", "result").err


# --- one import for all trials ------------------------------------------------------------------

SERVER = "preload: json imported in "


def test_forked_trials_make_the_same_run(workplace: Workplace) -> None:
    words = ("--popsize=4", "--round=4", "--seed=1", "--schedule=round")
    assert workplace.tune(*words, out="one").code == 0
    done = workplace.tune(*words, "--preload=json", out="two")
    assert done.code == 0, done.err
    assert table(workplace.root, "one") == table(workplace.root, "two")
    assert SERVER in done.out
    for name in ("one", "two"):
        config = (workplace.root / name / "config.yaml").read_text()
        assert f"preload: {'json' if name == 'two' else 'none'}" in config


def test_what_is_preloaded_can_be_read_from_the_script(workplace: Workplace) -> None:
    done = workplace.tune("--preload=AUTO", "--popsize=2", "--dry-run")
    assert "preload: argparse, os, signal, sys, time, autofinetune\n" in done.out
    done = workplace.tune("--preload=auto", "--popsize=4", "--round=4")
    assert done.code == 0, done.err
    assert "preload: autofinetune imported in " in done.out


def test_without_preload_nothing_is_said_of_it(workplace: Workplace) -> None:
    assert "preload:" not in workplace.tune("--popsize=2", "--dry-run").out


@pytest.mark.parametrize(
    ("option", "reason"),
    [("not_there", "there is no module not_there"), ("train", "train lies beside the script")],
)
def test_a_module_that_cannot_be_preloaded_stops_before_anything_starts(
    workplace: Workplace, option: str, reason: str
) -> None:
    done = workplace.tune(f"--preload=json,{option}", "--popsize=0")
    assert done.code == 2
    assert reason in done.err
    assert "--popsize=0" in done.err
    assert not (workplace.root / "result").exists()


def test_imports_that_fail_leave_ordinary_starts_and_one_sentence(workplace: Workplace) -> None:
    script = workplace.root / "train.py"
    script.write_text(f"import os\nos.environ['A'] = 'b'\n{script.read_text()}")
    done = workplace.tune("--preload=json,json:fly", "--popsize=3", "--round=2")
    assert done.code == 0, done.err
    assert done.out.count("preload is off, every trial does its own imports: ") == 1


def test_a_script_that_is_no_python_starts_as_it_is(workplace: Workplace) -> None:
    script = workplace.root / "train.sh"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} {workplace.root}/train.py "$@"\n')
    script.chmod(0o755)
    done = workplace.run(
        "train.sh", "--param_file=hparam.yaml", "--gpu=cpu", "--output_dir=result",
        "--popsize=2", "--round=1", "--preload=json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "train.sh is not a Python script; its trials start without preloading" in done.out


def test_a_killed_tuner_with_forked_trials_is_resumed_with_forks(workplace: Workplace) -> None:
    hold = workplace.root / "go"
    tuner = workplace.start(
        "train.py", "--param_file=hparam.yaml", "--gpu=0,1", "--output_dir=result",
        "--popsize=4", "--round=4", "--preload=json", "--", f"--hold={hold}",
    )  # fmt: skip
    wait_until(lambda: len(workplace.ledger("start")) == 2)
    tuner.kill()
    assert tuner.stdout is not None
    tuner.stdout.close()
    tuner.wait()
    hold.touch()
    done = workplace.run("resume", "result")
    assert done.code == 0, done.err
    assert SERVER in done.out
    assert sorted(workplace.ledger("start")) == sorted(workplace.ledger("end")) == [*range(16)]
