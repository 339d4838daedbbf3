"""Reads the options of a script from its source and from its `--help`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autofinetune.config.config import OWN_OPTIONS
from autofinetune.config.passing import CALLS, HYDRA, OPTIONS
from autofinetune.draft import configurations
from autofinetune.draft.help_text import default_in, options_in
from autofinetune.draft.option import UNKNOWN, ScriptOption
from autofinetune.draft.parsers import NO_NAME, ONLY_SHORT, declared, unique
from autofinetune.draft.reach import Part, parts_of
from autofinetune.draft.signatures import signed
from autofinetune.errors import UsageError
from autofinetune.evaluators import words_of_script
from autofinetune.executors import HelpText
from autofinetune.run.preflight import ask
from autofinetune.run.script_source import Module, Source, findings_in, modules_of

_TRAINING = ("train", "fit", "finetune", "run")
_OUR_OPTIONS = (*OWN_OPTIONS, "help")


@dataclass(frozen=True)
class Reading:
    """What is known about the options of a script.

    Args:
        options: each once, in the order of the source.
        modules: the script and its local modules; empty if it is not Python.
        source: the findings about these modules; None if there are none.
        passing: how trials pass hyperparameters, as in `config.passing`.
        command: the subcommand that trains, if the script has subcommands.
        was_asked: whether its `--help` listed its options.
        problem: why `--help` did not, if it was asked.
        continues_models: whether it has the options for models of earlier trials.
        is_checkable: whether a run can check the options of the script before it starts.
    """

    options: Sequence[ScriptOption]
    modules: Sequence[Module] = ()
    source: Source | None = None
    passing: str = OPTIONS
    command: str = ""
    was_asked: bool = False
    problem: str = ""
    continues_models: bool = False
    is_checkable: bool = True


def read_script(
    script: str, python: str, working_dir: str, env: Mapping[str, str], *, is_asked: bool = True
) -> Reading:
    """Return the options of a script; `is_asked` allows to run it with `--help`.

    Raise UsageError if it cannot be read or is not valid Python.
    """
    modules = python_source(script, python, working_dir, env)
    words = words_of_script(script, python, working_dir)
    source = findings_in(modules)
    parts = parts_of(modules)
    reading = Reading([], modules, source)
    if source is None:
        return _merged(reading, ask(words, working_dir, env) if is_asked else None)
    if source.is_hydra:
        return _of_hydra(reading, words, working_dir, env, parts, is_asked=is_asked)
    if source.asks_for_parameters and not source.has_parser:
        found = [one for part in parts for one in configurations.in_dictionaries(part)]
        return replace(reading, options=_usable(found), passing=CALLS)
    found = [_with_told_default(one) for part in parts
             for one in (*declared(part), *signed(parts, part))]  # fmt: skip
    if not found and (own := _replaced_constants(parts)):
        return replace(reading, options=_usable(own), is_checkable=False)
    options, command = _of_one_command(unique(found))
    continues = {*OWN_OPTIONS} <= {option.name for option in options}
    reading = replace(reading, options=options, command=command, continues_models=continues)
    can_answer = is_asked and (source.has_parser or source.reads_argv)
    typed = (command,) if command else ()
    return _merged(reading, ask((*words, *typed), working_dir, env) if can_answer else None)


def python_source(
    script: str, python: str, working_dir: str, env: Mapping[str, str]
) -> list[Module]:
    """Return a script and its local modules; nothing if it is not Python.

    Raise UsageError if it cannot be read, or is a .py file that is not valid Python.
    """
    try:
        with Path(working_dir, script).open("rb") as file:
            file.read(1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = getattr(error, "strerror", None) or error
        tip = "give the path of a training script"
        raise UsageError(f"cannot read {script}: {why}", tip) from None
    modules = list(modules_of(words_of_script(script, python, working_dir), working_dir, env))
    if script.endswith(".py") and modules and modules[0].error:
        raise UsageError(
            f"{script}{modules[0].error}",
            "fix it; trials run the script with the Python of autofinetune, which is Python 3",
        )
    return modules


def _of_hydra(
    reading: Reading,
    words: Sequence[str],
    working_dir: str,
    env: Mapping[str, str],
    parts: Sequence[Part],
    *,
    is_asked: bool,
) -> Reading:
    """Return the keys of the configuration: as Hydra composes it, else as its files have it."""
    problem = ""
    if is_asked:
        answer = ask(words, working_dir, env, ("--cfg", "job"))
        composed = configurations.in_job(answer.output) if answer.returncode == 0 else []
        if composed:
            return replace(reading, options=_usable(composed), passing=HYDRA, was_asked=True)
        problem = last_line(answer.output) or answer.problem
    found = configurations.in_files(parts)
    return replace(reading, options=_usable(found), passing=HYDRA, problem=problem)


def _with_told_default(option: ScriptOption) -> ScriptOption:
    """Return the option with the default that its help text tells, if it has no other."""
    if option.default is not None and option.default is not UNKNOWN:
        return option
    told = default_in(option.text)
    return option if told is None else replace(option, default=told)


def _replaced_constants(parts: Sequence[Part]) -> list[ScriptOption]:
    """Return the constants that a file run by `exec` replaces by what it finds in `sys.argv`."""
    has_exec = any(not part.module.is_script and b"argv" in part.module.text for part in parts)
    for part in parts:
        if part.module.is_script and has_exec and b"exec(" in part.module.text:
            return list(configurations.in_globals(part))
    return []


def _of_one_command(found: Sequence[ScriptOption]) -> tuple[list[ScriptOption], str]:
    """Return the options that trials can pass together, and the subcommand they belong to."""
    counts = Counter(option.command for option in found if option.command)
    if not counts:
        return list(found), ""
    named = [name for name in _TRAINING if name in counts]
    command = named[0] if named else counts.most_common(1)[0][0]
    why = f"it must stand before the subcommand {command}"
    return [
        option if option.command else replace(option, obstacle=option.obstacle or why)
        for option in found
        if option.command in ("", command)
    ], command


def _merged(reading: Reading, answer: HelpText | None) -> Reading:
    """Complete the options from the source by those in the answer to `--help`."""
    if answer is None:
        return replace(reading, options=_usable(reading.options))
    if answer.problem:
        why = last_line(answer.output) if "crashed" in answer.problem else ""
        problem = f"{answer.problem}{': ' if why else ''}{why}"
        return replace(reading, options=_usable(reading.options), problem=problem)
    listed = options_in(answer.output)
    found = list(_completed(reading.options, listed, answer))
    names = {name for option in found for name in (option.name, *option.aliases)}
    for option in listed.values():
        if answer.options & {option.name, *option.aliases} and option.name not in names:
            found.append(option)
    required = [
        replace(one, is_required=one.is_required or one.name in answer.required) for one in found
    ]
    return replace(reading, options=_usable(required), was_asked=True)


def _completed(
    options: Sequence[ScriptOption], listed: Mapping[str, ScriptOption], answer: HelpText
) -> Iterator[ScriptOption]:
    """Yield the options of the source that `--help` lists, with what only it says."""
    by_word = {name.replace("-", "_"): name for name in answer.options}
    for option in options:
        words = (option.name, *option.aliases)
        names = [by_word[w.replace("-", "_")] for w in words if w.replace("-", "_") in by_word]
        names = [name for name in words if name in names] or names
        if not names:
            if option.obstacle in (ONLY_SHORT, NO_NAME):
                yield option
            elif not option.name.isascii():
                yield replace(option, obstacle="hparam.yaml cannot have this name")
            continue
        other = next((listed[name] for name in names if name in listed), ScriptOption(names[0]))
        default = option.default
        if default is UNKNOWN or (default is None and other.default is not None):
            default = other.default if other.default is not None else default
        yield replace(
            option,
            name=names[0],
            aliases=tuple(word for word in words if word != names[0]),
            kind=option.kind or other.kind,
            default=default,
            choices=option.choices or other.choices,
            text=other.text if "%(" in option.text else option.text or other.text,
        )


def _usable(options: Sequence[ScriptOption]) -> list[ScriptOption]:
    """Return the options without those that the tuner sets itself."""
    return [option for option in options if option.name not in _OUR_OPTIONS]


def last_line(output: str) -> str:
    """Return the last line with text, such as the exception of a traceback."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""
