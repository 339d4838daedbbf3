"""Run a real train.py with --help to get its options."""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest

from autofinetune.config.commands import HYPERPARAMETERS, MODEL_OPTIONS
from autofinetune.config.config import Config
from autofinetune.config.program import Program
from autofinetune.errors import UsageError
from autofinetune.executors.files.hand_over import trial_environment
from autofinetune.executors.local.ask_help import ask_for_options, required_options
from autofinetune.run import preflight
from autofinetune.run.preflight import check_script, needed_options
from autofinetune.run.recognition import with_declared_options
from autofinetune.runner.processes import start_time
from autofinetune.space import load_space
from autofinetune.trial.report import RANKS
from tests.helpers import config_of

SPACE = load_space(
    {
        "param_list": [
            {"name": "learning_rate", "type": "choice", "choices": [1]},
            {"name": "units", "type": "choice", "choices": [1]},
        ]
    }
)
COMPLETE = ("learning_rate", "units", "saved_params_dir", "model_path", "epochs")


def script_with(*options: str) -> str:
    """Return a train.py whose parser has these options, each spelled as given."""
    lines = [f"parser.add_argument('--{option}')" for option in options]
    return "\n".join(
        ["import argparse", "parser = argparse.ArgumentParser()", *lines, "parser.parse_args()"]
    )


ASKED = "import sys; sys.argv\n"  # a script that reads argv is run with --help


def config_for(folder: Path, script: str, name: str = "train.py", **fields: object) -> Config:
    (folder / name).write_text(textwrap.dedent(script), encoding="utf-8")
    there = {"script": name, "working_dir": str(folder), "python": sys.executable}
    return config_of(SPACE, **(there | fields))


def check(config: Config, env: Mapping[str, str] | None = None) -> Config:
    return check_script(config, {**os.environ, **(env or {})}, print)


def refusal(config: Config) -> UsageError:
    with pytest.raises(UsageError) as caught:
        check(config)
    assert caught.value.exit_code == 2
    return caught.value


# --- scripts that pass --------------------------------------------------------------------------


def test_a_complete_script_passes_and_its_options_are_noted(tmp_path: Path) -> None:
    config = config_for(tmp_path, script_with(*COMPLETE))
    checked = check(config)
    assert checked.script_options == tuple(sorted(["help", *COMPLETE]))
    assert checked == config.with_script_options(["help", *COMPLETE])


def test_a_subcommand_among_typed_words_is_asked_for_its_options(tmp_path: Path) -> None:
    script = """
    import argparse
    parser = argparse.ArgumentParser()
    parser.add_argument("-c", "--config")
    fit = parser.add_subparsers().add_parser("fit")
    for option in ("learning_rate", "units", "saved_params_dir", "layers", "output"):
        fit.add_argument(f"--{option}", nargs="+")
    parser.parse_args()
    """
    words = ("-c", "x.yaml", "fit", "--layers", "64", "32", "--output", "${saved_params_dir}")
    config = config_for(tmp_path, script, script_args=words, evaluator="fulltrail")
    assert "units" in (check(config).script_options or ())
    lacking = dataclasses.replace(config, script_args=(*words, "--width=3"))
    assert "  --width  (given on the command line)" in refusal(lacking).message


def test_a_line_for_a_shell_is_not_run_to_be_asked(tmp_path: Path) -> None:
    words = ("bash", "-c", "touch asked; exit 1", "bash", HYPERPARAMETERS, MODEL_OPTIONS)
    config = config_for(tmp_path, "")
    config = dataclasses.replace(config, program=Program(command=words))
    assert check(config) == config
    assert not (tmp_path / "asked").exists()


def test_names_with_spaces_and_shell_words_pass(tmp_path: Path) -> None:
    folder = tmp_path / "a b $(touch x); 😀"
    folder.mkdir()
    config = config_for(folder, script_with(*COMPLETE), "train 'it' & more.py")
    assert "units" in (check(config).script_options or ())
    assert [path.name for path in folder.iterdir()] == ["train 'it' & more.py"]


def test_a_rank_of_the_tuner_is_none_of_its_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in RANKS:
        monkeypatch.delenv(name, raising=False)
    assert set(RANKS) & trial_environment().keys() == set()
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "2")
    assert trial_environment()["OMPI_COMM_WORLD_RANK"] == "0"


def test_the_script_sees_the_environment_of_a_trial(tmp_path: Path) -> None:
    script = """
        import os, sys
        sys.argv
        names = "learning_rate units saved_params_dir model_path".split()
        print(*[f"--{name}" for name in [*names, os.environ["EXTRA"]]])
    """
    checked = check(config_for(tmp_path, script), {"EXTRA": "from_the_environment"})
    assert "from_the_environment" in (checked.script_options or ())


def test_the_script_runs_in_the_working_directory_without_input(tmp_path: Path) -> None:
    script = "import os, sys\nopen('seen', 'w').write(repr(sys.stdin.read()))\n"
    check(config_for(tmp_path, script + script_with(*COMPLETE)))
    assert (tmp_path / "seen").read_text() == "''"


def test_an_executable_of_any_language_passes(tmp_path: Path) -> None:
    usage = " ".join(f"--{option}=VALUE" for option in COMPLETE)
    config = config_for(tmp_path, f"#!/bin/sh\necho 'usage: train {usage}'\n", "train.sh")
    (tmp_path / "train.sh").chmod(0o755)
    assert check(config).script_options == tuple(sorted(COMPLETE))


def test_a_help_text_on_stderr_counts(tmp_path: Path) -> None:
    script = "import sys\nsys.stdout = sys.stderr\n" + script_with(*COMPLETE)
    assert check(config_for(tmp_path, script)).script_options is not None


def test_help_as_click_prints_it(tmp_path: Path) -> None:
    text = """
        Usage: train.py [OPTIONS]

        Options:
          --learning_rate FLOAT  Step width, see --units.  [default: 0.1]
          -u, --units INTEGER    Neurons.
          --amp / --no-amp       Half precision.
          --saved_params_dir PATH
          --model_path PATH
          --help                 Show this message and exit.
    """
    checked = check(config_for(tmp_path, f"{ASKED}print({textwrap.dedent(text)!r})"))
    found = set(checked.script_options or ())
    assert found >= {"learning_rate", "units", "amp", "no-amp", "saved_params_dir", "model_path"}


def test_help_as_absl_prints_it(tmp_path: Path) -> None:
    text = """
        flags:

        train.py:
          --[no]amp: Half precision.
            (default: 'false')
          --learning_rate: Step width.
            (a number)
          --units: <8|16>: Neurons.
          --saved_params_dir: Where to save.
          --model_path: Where to begin.

        Try --helpfull to get a list of all flags.
    """
    script = f"{ASKED}print({textwrap.dedent(text)!r})\nraise SystemExit(1)"
    found = set(check(config_for(tmp_path, script)).script_options or ())
    assert found >= {"amp", "learning_rate", "units", "saved_params_dir", "model_path"}


# --- options that trials pass -------------------------------------------------------------------


def test_full_trail_does_without_a_model_path(tmp_path: Path) -> None:
    script = script_with("learning_rate", "units", "saved_params_dir")
    assert check(config_for(tmp_path, script, evaluator="fulltrail")).script_options


def test_full_trail_does_without_a_directory_for_models(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checked = check(
        config_for(tmp_path, script_with("learning_rate", "units"), evaluator="fulltrail")
    )
    assert checked.script_options == ("help", "learning_rate", "units")
    assert "has no --saved_params_dir, so it is not passed" in capsys.readouterr().out


# --- commands -----------------------------------------------------------------------------------


def command_for(folder: Path, script: str, *macros: str) -> Config:
    program = Program((sys.executable, "train.py", *macros))
    return config_for(folder, script, evaluator="fulltrail", program=program)


def test_a_command_is_asked_only_for_what_it_gets_as_declared(tmp_path: Path) -> None:
    config = command_for(tmp_path, "open('ran', 'w')", "${args}")
    assert check(config) == config
    assert not (tmp_path / "ran").exists()


def test_a_command_need_not_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    macros = ("${hyperparameters}", "${model_options}")
    config = command_for(tmp_path, "import argparse\nargparse", *macros)
    assert check(config) == config.with_script_options(())
    told = capsys.readouterr().out
    assert "--help does not list its options: it listed no options (exit code 0), and gets" in told


def test_a_command_without_a_parser_is_not_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Running it would start a training."""
    macros = ("${hyperparameters}", "${model_options}")
    config = command_for(tmp_path, "open('ran', 'w')", *macros)
    assert check(config) == config.with_script_options(())
    assert not (tmp_path / "ran").exists()
    assert "train.py appears to have no option parser" in capsys.readouterr().out


def test_who_ends_the_tuner_while_the_script_is_asked_ends_the_script(tmp_path: Path) -> None:
    config = command_for(
        tmp_path,
        "import argparse, os, signal, subprocess, time\nargparse\n"
        "subprocess.Popen(['sleep', '987'], start_new_session=True)\n"
        "open('asked', 'w').close()\n"
        f"os.kill({os.getpid()}, signal.SIGTERM)\n"
        "time.sleep(987)\n",
        "${hyperparameters}",
        "${model_options}",
    )
    with pytest.raises(SystemExit) as ended:
        check(config)
    assert ended.value.code == 143
    assert (tmp_path / "asked").exists()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_what_a_script_leaves_behind_is_not_waited_for(tmp_path: Path) -> None:
    """Even though it holds the script's output open."""
    script = script_with("learning_rate", "units").replace(
        "import argparse", "import argparse, subprocess; subprocess.Popen(['sleep', '987'])\n"
    )
    (tmp_path / "train.py").write_text(script)
    found = ask_for_options(
        [sys.executable, "train.py"], working_dir=str(tmp_path), env=os.environ, timeout_s=60
    )
    assert found.problem == ""
    assert {"learning_rate", "units"} < found.options


def test_a_command_need_not_have_the_hyperparameters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may read them by a call; options that were given for it must exist."""
    macros = ("${hyperparameters}", "${model_options}")
    config = command_for(tmp_path, script_with("learning_rate", "units"), *macros)
    assert check(config).script_options == ("help", "learning_rate", "units")
    assert "note" not in capsys.readouterr().out
    config = command_for(tmp_path, script_with("learning_rate", "Units"), *macros)
    assert check(config).script_options == ("Units", "help", "learning_rate")
    told = capsys.readouterr().out
    assert "train.py has no --units; it has --Units, the names must match; it can" in told
    config = dataclasses.replace(config, script_args=("--amp",))
    assert refusal(config).message.endswith("will pass:\n  --amp  (given on the command line)")


# --- scripts that lack something ----------------------------------------------------------------


def test_all_missing_options_are_told_at_once(tmp_path: Path) -> None:
    config = config_for(tmp_path, script_with("epochs"), script_args=("--amp",))
    assert refusal(config).message == (
        "train.py lacks 5 options that trials will pass:\n"
        "  --learning_rate  (a hyperparameter)\n"
        "  --units  (a hyperparameter)\n"
        "  --saved_params_dir  (the directory in which to save the model)\n"
        "  --model_path  (the directory of the model to continue from)\n"
        "  --amp  (given on the command line)"
    )


def test_the_tip_shows_what_to_add(tmp_path: Path) -> None:
    error = refusal(config_for(tmp_path, script_with(*COMPLETE[1:])))
    assert error.message == (
        "train.py lacks 1 option that trials will pass:\n  --learning_rate  (a hyperparameter)"
    )
    assert error.tip == (
        'add, for instance, parser.add_argument("--learning_rate"), or pass --skip-preflight'
    )


def test_without_a_model_path_the_other_evaluator_is_offered(tmp_path: Path) -> None:
    error = refusal(config_for(tmp_path, script_with(*COMPLETE[:3])))
    assert error.tip == "add it, or train every trial from scratch with --evaluator=fulltrail"


@pytest.mark.parametrize("near", ["learning-rate", "Learning_Rate", "LEARNING-RATE"])
def test_a_name_that_differs_by_hyphen_or_case_is_pointed_out(tmp_path: Path, near: str) -> None:
    error = refusal(config_for(tmp_path, script_with(near, *COMPLETE[1:])))
    assert f"--learning_rate  (a hyperparameter); it has --{near}, the names" in error.message


REQUIRING = """
    import argparse
    parser = argparse.ArgumentParser()
    parser.add_argument("--learning_rate", required=True)
    parser.add_argument("--units", choices=["(", "1"])
    parser.add_argument("--saved_params_dir", required=True)
    parser.add_argument("--model_path")
    parser.add_argument("--data", required=True)
    parser.add_argument("--layers", nargs="+", required=True)
    either = parser.add_mutually_exclusive_group(required=True)
    either.add_argument("--train")
    either.add_argument("--test")
    parser.parse_args()
"""


def test_required_options_that_nobody_gives_are_told_before_any_trial(tmp_path: Path) -> None:
    error = refusal(config_for(tmp_path, REQUIRING))
    assert error.message == (
        "train.py requires 2 options that trials do not pass:\n  --data\n  --layers"
    )
    assert error.tip is not None
    assert "as in `data VALUE`" in error.tip
    check(config_for(tmp_path, REQUIRING, script_args=("--data=x", "--layers=1")))


def test_a_required_model_path_is_none_of_the_first_round(tmp_path: Path) -> None:
    script = REQUIRING.replace('"--model_path"', '"--model_path", required=True')
    config = config_for(tmp_path, script, script_args=("--data=x", "--layers=1"))
    assert "\n  --model_path  (there is no model to continue from)" in refusal(config).message


@pytest.mark.parametrize(
    "usage", ["usage: train.py --data FILE", "Usage: train.py [-h] --data FILE", ""]
)
def test_only_a_usage_as_argparse_writes_it_tells_what_is_required(usage: str) -> None:
    assert required_options(f"{usage}\n\n  -h, --help\n  --data FILE") == frozenset()


# --- scripts that cannot be asked ---------------------------------------------------------------


def test_a_crash_is_told_with_its_last_lines(tmp_path: Path) -> None:
    script = "import no_such_package_anywhere\n" + script_with(*COMPLETE)
    error = refusal(config_for(tmp_path, script))
    head, *tail = error.message.splitlines()
    assert head == "train.py --help does not list its options: it crashed (exit code 1)"
    assert tail[-1] == "  | ModuleNotFoundError: No module named 'no_such_package_anywhere'"
    assert "must read its options with argparse" in str(error.tip)
    assert "--skip-preflight" in str(error.tip)


def test_a_crash_after_some_help_is_a_crash(tmp_path: Path) -> None:
    script = f"{ASKED}print('--learning_rate --units --saved_params_dir --model_path')\n1 / 0"
    assert "it crashed (exit code 1)" in refusal(config_for(tmp_path, script)).message


def test_only_the_end_of_long_output_is_shown(tmp_path: Path) -> None:
    error = refusal(config_for(tmp_path, f"{ASKED}print(*range(1000), sep='\\n')"))
    assert error.message.splitlines()[1:] == [f"  | {n}" for n in range(992, 1000)]


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("", "it listed no options (exit code 0)"),
        ("print('training ...')", "it listed no options (exit code 0)"),
        ("raise SystemExit(3)", "it listed no options (exit code 3)"),
        ("import os; os.kill(os.getpid(), 9)", "it listed no options (exit code -9)"),
        ("def broken(:", "it listed no options (exit code 1)"),
        (r"import os; os.write(1, b'\xff\0 -- --- --1 -x')", "it listed no options (exit code 0)"),
    ],
)  # fmt: skip
def test_a_script_that_names_no_option(tmp_path: Path, script: str, problem: str) -> None:
    assert problem in refusal(config_for(tmp_path, ASKED + script)).message


def test_a_script_without_options_is_not_run(tmp_path: Path) -> None:
    script = "open('trained', 'w')"
    error = refusal(config_for(tmp_path, script))
    assert "train.py appears to read no options and to ask no tool" in error.message
    assert error.tip
    assert "${hparam:lr}" in error.tip
    assert not (tmp_path / "trained").exists()


def test_a_script_that_cannot_be_started(tmp_path: Path) -> None:
    config = config_for(tmp_path, ASKED, python=str(tmp_path / "no-python"))
    assert "it cannot be started: " in refusal(config).message


def test_a_script_that_starts_to_train_is_ended_with_all_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "TIMEOUT_S", 4.5)  # for a busy machine
    script = """
        import os, signal, sys
        sys.argv
        print("epoch 1", flush=True)
        child = os.fork()
        if child == 0:
            os.setsid()
            if os.fork() == 0:
                open("grandchild", "w").write(str(os.getpid()))
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.pause()
        open("pids", "w").write(f"{os.getpid()} {child}")
        signal.pause()
    """
    error = refusal(config_for(tmp_path, script))
    assert "does not list its options: it was still running after 4.5 s" in error.message
    assert error.message.endswith("  | epoch 1")
    pids = [*(tmp_path / "pids").read_text().split(), (tmp_path / "grandchild").read_text()]
    assert [start_time(int(pid)) for pid in pids] == [None] * 3


def test_what_a_script_leaves_behind_is_ended(tmp_path: Path) -> None:
    script = """
        import os, signal
        read, write = os.pipe()
        if os.fork() == 0:
            os.setsid()
            for descriptor in (0, 1, 2):
                os.close(descriptor)
            os.write(write, str(os.getpid()).encode())
            signal.pause()
        open("left", "w").write(os.read(read, 20).decode())
    """
    check(config_for(tmp_path, textwrap.dedent(script) + script_with(*COMPLETE)))
    assert start_time(int((tmp_path / "left").read_text())) is None


# --- scripts that are read instead of asked -----------------------------------------------------


@pytest.mark.parametrize(
    ("script", "declared"),
    [
        ("# --model_path and saved_params_dir", ()),
        ("add('--model_path', \"--lr\")", ("model_path",)),
        ('add("--saved_params_dir"); add("--model_path")', ("model_path", "saved_params_dir")),
        ("add('--model_path_of_mine')", ()),
    ],
)
def test_our_own_options_are_found_in_the_script(
    tmp_path: Path, script: str, declared: tuple[str, ...]
) -> None:
    assert with_declared_options(config_for(tmp_path, script)).script_options == declared


def test_a_script_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    config = config_for(tmp_path, "")
    config.script_path.unlink()
    with pytest.raises(UsageError, match=r"cannot read train\.py: No such file"):
        with_declared_options(config)


def test_everything_that_trials_get_is_needed() -> None:
    config = config_of(SPACE, script_args=("--amp", "--max_len=3"), warm_args=("--epochs=2",))
    assert needed_options(config) == {
        "learning_rate": "a hyperparameter",
        "units": "a hyperparameter",
        "saved_params_dir": "the directory in which to save the model",
        "model_path": "the directory of the model to continue from",
        "amp": "given on the command line",
        "max_len": "given on the command line",
        "epochs": "given by --warm_args",
    }


@pytest.mark.parametrize("fields", [{"evaluator": "fulltrail"}, {"round": 1}])
def test_a_model_path_is_needed_only_where_models_are_continued(fields: dict[str, object]) -> None:
    assert "model_path" not in needed_options(config_of(SPACE, **fields))
