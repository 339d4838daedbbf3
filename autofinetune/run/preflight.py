"""Check, before any trial, that train.py has the options that trials will pass to it."""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence

from autofinetune.config.commands import (
    MODEL_OPTIONS,
    MODEL_PATH_MACRO,
    SAVED_DIR_MACRO,
    is_shell_line,
    with_directories,
)
from autofinetune.config.config import ASKED, MODEL_PATH, SAVED_PARAMS_DIR, Config
from autofinetune.config.passing import CALLS, HYDRA, as_overrides, overrides
from autofinetune.config.program import masked, variables
from autofinetune.config.script_args import names_of
from autofinetune.errors import UsageError
from autofinetune.evaluators import EVALUATORS, option_names, start_of_command
from autofinetune.executors import HelpText, ask_for_options, with_layer
from autofinetune.run.function import check_function, is_function
from autofinetune.run.script_source import source_of
from autofinetune.space.fields import one_line

Tell = Callable[[str], None]
TIMEOUT_S = 120.0
_BY_OTHER_MEANS = (
    "it can read its hyperparameters from wandb.config, t9k.tuner, nni or the variable "
    "AUTOFINETUNE_PARAMS; --skip_preflight passes them as options anyway"
)
_HYDRA_MARK = "Powered by Hydra"  # in the output of its --help
_UNKNOWN_KEY = ("Could not override", "is not in struct", "Could not append")


def check_is_there(config: Config) -> None:
    """Raise UsageError if the script or the function of a recorded run no longer exists."""
    if config.executor == ASKED:
        return
    if is_function(config):
        check_function(config)
    elif not config.program.command and not config.script_path.is_file():
        raise UsageError(f"the script of this run is gone: {config.script_path}")


def check_script(config: Config, env: Mapping[str, str], tell: Tell) -> Config:
    """Return the config, the result of `recognized`, with the options that `--help` names.

    Raise UsageError if `--help` of the script failed, or the script lacks options.
    """
    if config.program.command:
        return _with_options_of_commands(config, env, tell)
    if config.passing == CALLS and config.script_options is not None:
        return config  # known from its source; it has no parser
    source = source_of(start_of_command(config), config.working_dir, env)
    is_asking = source is not None and source.asks_for_parameters
    if config.passing == HYDRA:
        return _with_checked_overrides(config, env, tell, is_asking=is_asking)
    if source is not None and source.is_readable and not (source.has_parser or source.reads_argv):
        raise _without_options(config)  # with --help, it would start to train
    # After words as typed, among which there may be a subcommand with options of its own.
    is_typed = any(not word.startswith("--") for word in config.args)
    typed = with_directories(config.args, "saved_params_dir", "") if is_typed else ()
    found = ask(start_of_command(config), config.working_dir, env, (*typed, "--help"))
    if _HYDRA_MARK in found.output:
        config = dataclasses.replace(config, passing=HYDRA)
        return _with_checked_overrides(config, env, tell, is_asking=is_asking)
    if found.problem:
        tail = [f"  | {line}" for line in found.output.strip().splitlines()[-8:]]
        head = f"{config.called} --help does not list its options: {found.problem}"
        raise UsageError(
            "\n".join([head, *tail]),
            "the script must read its options with argparse; if it reads them another way, "
            "pass --skip-preflight",
        )
    names = option_names(config)
    if is_asking and not any(_near(name, found) for name in names):
        if not found.options.issuperset(names):
            config = dataclasses.replace(config, passing=CALLS)
        _note_missing(config.called, names, found, tell)
    _check_missing(config.called, needed_options(config), found)
    _check_required(config, found)
    is_named = any(SAVED_DIR_MACRO in word for word in config.script_args)
    if SAVED_PARAMS_DIR not in found.options and not is_named:
        tell(
            f"note: {config.called} has no --{SAVED_PARAMS_DIR}, so it is not passed; the "
            "directory for its model is in the variable AUTOFINETUNE_SAVED_PARAMS_DIR, and "
            "OPTION=${saved_params_dir} at the end of the command line passes it to another option"
        )
    return config.with_script_options(found.options)


def _with_checked_overrides(
    config: Config, env: Mapping[str, str], tell: Tell, *, is_asking: bool
) -> Config:
    """Let Hydra compose the configuration of a first trial; raise UsageError if it cannot.

    If Hydra does not know the keys and the script `is_asking` another tool for its
    hyperparameters, the script gets them by calls instead.
    """
    params = config.space.nest(config.space.init_params)
    typed = as_overrides(with_directories(config.args, "saved_params_dir", ""))
    words = [*overrides(params), *typed]
    found = ask(start_of_command(config), config.working_dir, env, (*words, "--cfg", "job"))
    if found.returncode == 0:
        return config
    is_unknown = any(mark in found.output for mark in _UNKNOWN_KEY)
    if is_asking and is_unknown:
        tell(f"note: {config.called} gets no Hydra overrides, since its configuration lacks these "
            f"keys; {_BY_OTHER_MEANS}")  # fmt: skip
        return dataclasses.replace(config, passing=CALLS, script_options=())
    # The cause is between warnings and a list of the available choices.
    told = [f"  | {line}" for line in found.output.strip().splitlines()[-24:]]
    if found.returncode is None or found.returncode < 0:
        told.append(f"  {found.problem}")
    why = "cannot compose its configuration with"
    tip = "fix the error above, or pass --skip-preflight"
    if is_unknown:
        why = "does not take"
        tip = (
            "name each hyperparameter as the configuration does, such as optimizer.lr; a plus "
            "sign adds a new key: +lr"
        )
    head = f"{config.called} {why}: {one_line(shlex.join(words))}"
    raise UsageError("\n".join([head, *told]), tip)


def _with_options_of_commands(config: Config, env: Mapping[str, str], tell: Tell) -> Config:
    """Return the config with the options that each command declares in its `--help`.

    A command may fail to answer. Shell lines are not run with `--help`, because they might ignore
    it and start to work; neither are programs without an option parser.
    """
    program = config.program
    answers = {
        (command, own): _declared(config, command, {**env, **variables(own)}, tell)
        for command, own in program.started
    }
    tasks = tuple(
        dataclasses.replace(task, script_options=answers[task.command, (*program.env, *task.env)])
        for task in program.tasks
    )
    config = dataclasses.replace(config, program=dataclasses.replace(program, tasks=tasks))
    first = next(iter(answers.values()))
    return config if first is None else config.with_script_options(first)


def _declared(
    config: Config, command: Sequence[str], env: Mapping[str, str], tell: Tell
) -> tuple[str, ...] | None:
    """Return the options that `--help` of a command lists, or None if they are not needed.

    Raise UsageError if it lists options but lacks some that were given for it.
    """
    if MODEL_OPTIONS not in command or is_shell_line(command):
        return None
    words = start_of_command(config, command)
    called = one_line(shlex.join(masked(words)))
    why = "appears to have no option parser, so it is not run with --help"
    source = source_of(words, config.working_dir, env)
    if source is not None and source.has_parser:
        found = ask(words, config.working_dir, env)
        if not found.problem:
            _check_missing(called, _given_options(config), found)
            _note_missing(called, option_names(config), found, tell)
            return tuple(sorted(found.options))
        why = f"--help does not list its options: {found.problem}"
    tell(f"note: {called} {why}, and gets no options; {_BY_OTHER_MEANS}")
    return ()


def ask(
    words: Sequence[str],
    working_dir: str,
    env: Mapping[str, str],
    question: Sequence[str] = ("--help",),
) -> HelpText:
    """Run a command as a trial would, including the stand-in modules, and read its options."""
    env = {**env, "PYTHONPATH": with_layer(env.get("PYTHONPATH"))}
    with _signals_as_exits():
        return ask_for_options(
            words, working_dir=working_dir, env=env, timeout_s=TIMEOUT_S, question=question
        )


@contextlib.contextmanager
def _signals_as_exits() -> Iterator[None]:
    """Exit with the usual codes on SIGTERM and SIGHUP, so that child processes are cleaned up.

    Only the main thread can receive signals; in others, which run in a process of the user's, the
    signals keep their meaning.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, frame: object) -> None:
        sys.exit(128 + number)

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number, handler in before.items():
        if handler is signal.SIG_DFL:  # nohup ignores SIGHUP
            signal.signal(number, leave)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _without_options(config: Config) -> UsageError:
    return UsageError(
        f"{config.called} appears to read no options and to ask no tool for its hyperparameters, "
        "so it cannot receive them",
        "read them with argparse, or from the variable AUTOFINETUNE_PARAMS (JSON); for a script "
        "with positional arguments, write a config.yaml with command: [python3, train.py, "
        "'${hparam:lr}'] instead of script; --skip-preflight passes --name=value anyway",
    )


# --- options that a script lacks ----------------------------------------------------------------


def needed_options(config: Config) -> dict[str, str]:
    """Return the options that trials will pass, each with its purpose."""
    needed = {}
    if config.passing != CALLS:
        needed = dict.fromkeys(option_names(config), "a hyperparameter")
    if EVALUATORS[config.evaluator].continues_models and config.round > 1:
        whats = (
            (SAVED_PARAMS_DIR, SAVED_DIR_MACRO, "the directory in which to save the model"),
            (MODEL_PATH, MODEL_PATH_MACRO, "the directory of the model to continue from"),
        )
        for name, macro, what in whats:
            if not any(macro in word for word in config.script_args):
                needed[name] = what
    return {**needed, **{n: why for n, why in _given_options(config).items() if n not in needed}}


def _given_options(config: Config) -> dict[str, str]:
    """Return the options that were given for the script, each with its origin."""
    return {
        **dict.fromkeys(names_of(config.warm_args or ()), "given by --warm_args"),
        **dict.fromkeys(names_of(config.args), "given on the command line"),
    }


def _check_missing(called: str, needed: Mapping[str, str], found: HelpText) -> None:
    """Raise UsageError if a script lacks one of the options that trials will pass.

    `called` is its name for messages, and `needed` has the purpose or origin of each option.
    """
    missing = {name: why for name, why in needed.items() if name not in found.options}
    if not missing:
        return
    lines = [f"  --{name}  ({why}){_near(name, found)}" for name, why in missing.items()]
    count = len(lines)
    head = f"{called} lacks {count} option{'s' if count != 1 else ''} that trials will pass:"
    name = next(iter(missing))
    tip = f'add, for instance, parser.add_argument("--{name}"), or pass --skip-preflight'
    if missing.keys() <= {SAVED_PARAMS_DIR, MODEL_PATH}:
        them = "it" if count == 1 else "them"
        tip = f"add {them}, or train every trial from scratch with --evaluator=fulltrail"
    raise UsageError("\n".join([head, *lines]), tip)


def _note_missing(called: str, names: Sequence[str], found: HelpText, tell: Tell) -> None:
    """Report which of its hyperparameters a script does not take as options."""
    missing = [f"--{name}{_near(name, found)}" for name in names if name not in found.options]
    if missing:
        tell(f"note: {called} has no {', '.join(missing)}; {_BY_OTHER_MEANS}")


def _near(name: str, found: HelpText) -> str:
    """Return a hint about an option with almost the same name, or an empty string."""
    plain = name.replace("-", "_").lower()
    alike = [one for one in found.options if one.replace("-", "_").lower() == plain]
    return f"; it has --{alike[0]}, the names must match" if alike else ""


def _check_required(config: Config, found: HelpText) -> None:
    """Raise UsageError if the script requires options that trials do not pass."""
    given = {*option_names(config), *names_of(config.args), SAVED_PARAMS_DIR}
    # A short option may be the other name of a required one.
    has_short = any(w.startswith("-") and not w.startswith("--") for w in config.args)
    omitted = [] if has_short else sorted(found.required - given)
    if not omitted:
        return
    count = len(omitted)
    lines = [
        f"  --{name}" + ("  (there is no model to continue from)" if name == MODEL_PATH else "")
        for name in omitted
    ]
    head = (
        f"{config.called} requires {count} option{'s' if count != 1 else ''} that trials do not "
        "pass:"
    )
    raise UsageError(
        "\n".join([head, *lines]),
        f"give a value at the end of the command line, as in `{omitted[0]} VALUE`, set a default "
        "in the script, or pass --skip-preflight",
    )
