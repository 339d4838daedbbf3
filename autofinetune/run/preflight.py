"""Says before any trial which of the options it will get train.py lacks."""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence

from autofinetune.config.commands import (
    MODEL_OPTIONS,
    MODEL_PATH_MACRO,
    SAVED_DIR_MACRO,
    is_shell_line,
    with_directories,
)
from autofinetune.config.config import MODEL_PATH, SAVED_PARAMS_DIR, Config
from autofinetune.config.masking import masked
from autofinetune.config.option import option_name
from autofinetune.config.passing import CALLS, HYDRA, as_overrides, overrides
from autofinetune.config.program import variables
from autofinetune.errors import UsageError
from autofinetune.evaluators import EVALUATORS, option_names, start_of_command
from autofinetune.executors import HelpText, ask_for_options, with_layer
from autofinetune.run.script_source import source_of
from autofinetune.space.fields import one_line

Tell = Callable[[str], None]
TIMEOUT_S = 120.0
_HYDRA_MARK = "Powered by Hydra"  # in what its --help prints
_UNKNOWN_KEY = ("Could not override", "is not in struct", "Could not append")


def check_is_there(config: Config) -> None:
    """Raise UsageError when the script of a recorded run is gone."""
    if not config.program.command and not config.script_path.is_file():
        raise UsageError(f"the script of this run is gone: {config.script_path}")


def check_script(config: Config, env: Mapping[str, str], tell: Tell) -> Config:
    """Return the config with the options that `train.py --help` names.

    Args:
        config: as recognized.
        env: of a trial.
        tell: takes notes about the script.

    Raises:
        UsageError: the script could not be asked, or it lacks options.
    """
    if config.program.command:
        return _with_options_of_commands(config, env, tell)
    if config.passing == CALLS and config.script_options is not None:
        return config  # it was read, and has no parser
    source = source_of(start_of_command(config), config.working_dir, env)
    is_asking = source is not None and source.asks_for_parameters
    if config.passing == HYDRA:
        return _with_checked_overrides(config, env, tell, is_asking=is_asking)
    if source is not None and source.is_readable and not (source.has_parser or source.reads_argv):
        raise _without_options(config)  # asked for --help, it would begin to train
    found = _ask(config, start_of_command(config), env)
    if _HYDRA_MARK in found.output:
        config = dataclasses.replace(config, passing=HYDRA)
        return _with_checked_overrides(config, env, tell, is_asking=is_asking)
    if found.problem:
        raise _cannot_ask(config, found)
    names = option_names(config)
    if is_asking and not any(_near(name, found) for name in names):
        if not found.options.issuperset(names):
            config = dataclasses.replace(config, passing=CALLS)
        _note_missing(config.called, names, found, tell)
    _check_missing(config.called, needed_options(config), found)
    given = {*option_names(config), *map(option_name, config.script_args), SAVED_PARAMS_DIR}
    if omitted := found.required - given:
        raise _omitting(config, sorted(omitted))
    is_named = any(SAVED_DIR_MACRO in word for word in config.script_args)
    if SAVED_PARAMS_DIR not in found.options and not is_named:
        tell(
            f"note: {config.called} has no --{SAVED_PARAMS_DIR}, so it does not get it; the "
            "directory for its model is in the variable AUTOFINETUNE_SAVED_PARAMS_DIR, and "
            "OPTION=${saved_params_dir} at the end of the line gives it to another option"
        )
    return config.with_script_options(found.options)


def _with_checked_overrides(
    config: Config, env: Mapping[str, str], tell: Tell, *, is_asking: bool
) -> Config:
    """Let Hydra compose the configuration of a first trial, without running it.

    Returns:
        The config; where keys are unknown to Hydra and the script `is_asking` another tool for
        its hyperparameters, one by which it gets them so.

    Raises:
        UsageError: the configuration cannot be composed.
    """
    params = config.space.nest(config.space.init_params)
    typed = with_directories(as_overrides(config.script_args), "saved_params_dir", "")
    words = [*overrides(params), *typed]
    found = _ask(config, start_of_command(config), env, (*words, "--cfg", "job"))
    if found.returncode == 0:
        return config
    is_unknown = any(mark in found.output for mark in _UNKNOWN_KEY)
    if is_asking and is_unknown:
        tell(f"note: {config.called} gets no overrides of Hydra, which does not know these keys; "
            f"{_BY_OTHER_MEANS}")  # fmt: skip
        return dataclasses.replace(config, passing=CALLS, script_options=())
    why = "does not take" if is_unknown else "cannot compose its configuration with"
    # The cause stands between warnings and a list of what there is instead.
    told = [f"  | {line}" for line in found.output.strip().splitlines()[-24:]]
    if found.returncode is None or found.returncode < 0:
        told.append(f"  {found.problem}")
    tip = "fix what it says, or pass --skip-preflight"
    if is_unknown:
        tip = (
            "name each hyperparameter as its configuration does, such as optimizer.lr; a plus "
            "adds a key that is not there: +lr"
        )
    head = f"{config.called} {why}: {one_line(shlex.join(words))}"
    raise UsageError("\n".join([head, *told]), tip)


def _with_options_of_commands(config: Config, env: Mapping[str, str], tell: Tell) -> Config:
    """A command that is no train.py of ours gets the options that it declares, each task its own.

    It need not answer. A line for a shell is not asked: it would run, and `--help` may mean
    nothing in it; nor is what has no parser of options.
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
    """The options that the command names when it is asked; None where that is of no use.

    Raises:
        UsageError: it names options and lacks some that were given for it.
    """
    if MODEL_OPTIONS not in command or is_shell_line(command):
        return None
    words = start_of_command(config, command)
    called = one_line(shlex.join(masked(words)))
    why = "has no parser of options, as far as can be seen, so it is not asked for them"
    source = source_of(words, config.working_dir, env)
    if source is not None and source.has_parser:
        found = _ask(config, words, env)
        if not found.problem:
            _check_missing(called, _given_options(config), found)
            _note_missing(called, option_names(config), found, tell)
            return tuple(sorted(found.options))
        why = f"--help does not tell its options: {found.problem}"
    tell(f"note: {called} {why}, and gets none; {_BY_OTHER_MEANS}")
    return ()


_BY_OTHER_MEANS = (
    "hyperparameters are what wandb.config, t9k.tuner and nni give, and in the variable "
    "AUTOFINETUNE_PARAMS; --skip_preflight passes them as options all the same"
)


def _note_missing(called: str, names: Sequence[str], found: HelpText, tell: Tell) -> None:
    missing = [f"--{name}{_near(name, found)}" for name in names if name not in found.options]
    if missing:
        tell(f"note: {called} has no {', '.join(missing)}; {_BY_OTHER_MEANS}")


def _ask(
    config: Config,
    words: Sequence[str],
    env: Mapping[str, str],
    question: Sequence[str] = ("--help",),
) -> HelpText:
    """Ask as a trial would be started, with modules that stand in for others."""
    env = {**env, "PYTHONPATH": with_layer(env.get("PYTHONPATH"))}
    with _signals_as_exits():
        return ask_for_options(
            words,
            working_dir=config.working_dir,
            env=env,
            timeout_s=TIMEOUT_S,
            question=question,
        )


@contextlib.contextmanager
def _signals_as_exits() -> Iterator[None]:
    """SIGTERM and SIGHUP end this process with their codes, after what it has started."""

    def leave(number: int, frame: object) -> None:
        sys.exit(128 + number)

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number, handler in before.items():
        if handler is signal.SIG_DFL:  # nohup has it ignored
            signal.signal(number, leave)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def needed_options(config: Config) -> dict[str, str]:
    """The options that trials will get, each with what it is."""
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
    """The options that were given for the script, each with where."""
    return {
        **dict.fromkeys(map(option_name, config.warm_args or ()), "given by --warm_args"),
        **dict.fromkeys(map(option_name, config.script_args), "given on the command line"),
    }


def _cannot_ask(config: Config, found: HelpText) -> UsageError:
    tail = [f"  | {line}" for line in found.output.strip().splitlines()[-8:]]
    return UsageError(
        "\n".join([f"{config.called} --help does not tell its options: {found.problem}", *tail]),
        "the script must read its options with argparse; if it reads them in another way, "
        "pass --skip-preflight",
    )


def _without_options(config: Config) -> UsageError:
    return UsageError(
        f"{config.called} reads no options, as far as can be seen, and asks no tool for its "
        "hyperparameters, so they cannot reach it",
        "read them by argparse, or from the variable AUTOFINETUNE_PARAMS (JSON); a script that "
        "takes them by position runs by a config.yaml with command: [python3, train.py, "
        "'${hparam:lr}'] in the place of script; --skip-preflight passes --name=value anyway",
    )


def _check_missing(called: str, needed: Mapping[str, str], found: HelpText) -> None:
    missing = {name: why for name, why in needed.items() if name not in found.options}
    if missing:
        raise _lacking(called, missing, found)


def _lacking(called: str, missing: Mapping[str, str], found: HelpText) -> UsageError:
    lines = [f"  --{name}  ({why}){_near(name, found)}" for name, why in missing.items()]
    count = len(lines)
    head = f"{called} lacks {count} option{'s' if count != 1 else ''} that trials will get:"
    name = next(iter(missing))
    tip = f'add for instance parser.add_argument("--{name}"), or pass --skip-preflight'
    if missing.keys() <= {SAVED_PARAMS_DIR, MODEL_PATH}:
        them = "it" if count == 1 else "them"
        tip = f"add {them}, or train every trial from scratch with --evaluator=fulltrail"
    return UsageError("\n".join([head, *lines]), tip)


def _near(name: str, found: HelpText) -> str:
    """A hint at an option that is called almost the same."""
    near = [option for option in found.options if _plain(option) == _plain(name)]
    return f"; it has --{near[0]}, the names must be equal" if near else ""


def _omitting(config: Config, omitted: Sequence[str]) -> UsageError:
    count = len(omitted)
    lines = [
        f"  --{name}" + ("  (there is no model to continue from)" if name == MODEL_PATH else "")
        for name in omitted
    ]
    head = f"{config.called} requires {count} option{'s' if count != 1 else ''} that trials lack:"
    return UsageError(
        "\n".join([head, *lines]),
        f"give it at the end of the line, as in `{omitted[0]} VALUE`, or a default in the script; "
        "or pass --skip-preflight",
    )


def _plain(name: str) -> str:
    return name.replace("-", "_").lower()
