"""The command of a trial as a template: a list of words, some of which are macros.

    ${hyperparameters}   --name=value for each, as for a train.py
    ${model_options}     --saved_params_dir=... and --model_path=..., if the script has them
    ${saved_params_dir}  inside any word: the directory for the trial's model
    ${model_path}        inside any word: the directory of the model to continue; without one,
                         the word is dropped
    ${hparam:NAME}       inside any word: the value of a hyperparameter, empty if inactive
    ${overrides}         name=value or outer.inner=value for each, in the grammar of Hydra
    ${run_dir_override}  hydra.run.dir=..., the directory for the trial's model

The others are the macros of W&B sweeps. They format values with Python's `str` and nested
hyperparameters as one mapping, except as overrides of Hydra, `outer.inner=value`:

    ${env}                      /usr/bin/env
    ${interpreter}              the Python that runs the tuner
    ${args}                     --name=value
    ${args_no_equals}           --name value, in two words
    ${args_no_hyphens}          name=value, as for Hydra
    ${args_no_boolean_flags}    --name for True, nothing for False, otherwise --name=value
    ${args_append_hydra}        +name=value
    ${args_override_hydra}      ++name=value
    ${args_json}                all of them as one JSON object
    ${args_json_file}           the name of a file with that object
    ${envvar:NAME}              inside any word: an environment variable, or NAME if it is unset
    $${                         inside any word: a literal ${

Macros not marked "inside any word" must be a whole word. No word is ever interpreted by a shell.
"""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autofinetune.config.passing import hydra_value, overrides
from autofinetune.errors import did_you_mean
from autofinetune.visible import as_text

HYPERPARAMETERS, MODEL_OPTIONS = "${hyperparameters}", "${model_options}"
OVERRIDES, RUN_DIR_OVERRIDE = "${overrides}", "${run_dir_override}"
RUN_DIR = "hydra.run.dir="
SAVED_DIR_MACRO, MODEL_PATH_MACRO = "${saved_params_dir}", "${model_path}"
# Values of constants: the directory of the model that a trial continues (its own if it continues
# none), and the directory of its own model.
CHECKPOINT_TO_LOAD, CHECKPOINT_TO_SAVE = "${load_checkpoint_dir}", "${save_checkpoint_dir}"
JSON_FILE = "${args_json_file}"
_ENVVAR = re.compile(r"\$\{envvar:([^}]*)\}")
_HPARAM = re.compile(r"\$\{hparam:([^}]*)\}")
_INSIDE = re.compile(rf"\$\$\{{|{_ENVVAR.pattern}|{_HPARAM.pattern}")
_MACRO = re.compile(r"\$\{[^}]*\}\Z")
_NOT_PLAIN = re.compile(r"[|&;<>()$`\\*?\[\]{}!#~\n]|^\s*\w+=")


@dataclass(frozen=True)
class Given:
    """The values of the macros in one trial.

    `flat` maps option names to values; `nested` is what the space's format passes to a trial.
    """

    interpreter: str
    flat: Mapping[str, Any]
    nested: Mapping[str, Any]
    json_file: str
    model_options: Sequence[str]
    environ: Mapping[str, str]
    saved_params_dir: str = ""
    model_path: str = ""


def expand(template: Sequence[str], given: Given) -> tuple[str, ...]:
    """Return the words of the command of one trial."""
    words: list[str] = []
    saved, path = literal(given.saved_params_dir), literal(given.model_path)
    for word in with_directories(template, saved, path):
        macro = _WHOLE.get(word)
        words += [_with_values(word, given)] if macro is None else macro(given)
    return tuple(words)


def with_directories(words: Sequence[str], saved_params_dir: str, model_path: str) -> list[str]:
    """Return the words with the directories of a trial in place of their macros."""
    return [
        word.replace(SAVED_DIR_MACRO, saved_params_dir).replace(MODEL_PATH_MACRO, model_path)
        for word in words
        if model_path or MODEL_PATH_MACRO not in word
    ]


def as_json(nested: Mapping[str, Any]) -> str:
    """Return the hyperparameters of a trial as one JSON object in ASCII."""
    import json  # on use: `--help` has no need of it

    return json.dumps(nested)


def beginning(template: Sequence[str], given: Given) -> tuple[str, ...]:
    """Return the leading words that do not depend on the trial, to run as `... --help`."""
    fixed = itertools.takewhile(lambda word: not is_of_a_trial(word), template)
    return expand(tuple(fixed), given)


def is_of_a_trial(word: str) -> bool:
    """Return whether a word of a template differs between trials."""
    if word in _WHOLE:
        return word not in _OF_EVERY_TRIAL
    return SAVED_DIR_MACRO in word or MODEL_PATH_MACRO in word or bool(named_in(word))


def named_in(word: str) -> list[str]:
    """Return the names of the hyperparameters used inside a word of a template."""
    if word in _WHOLE:
        return []
    return [found[2] for found in _INSIDE.finditer(word) if found[2] is not None]


def unknown_macro(word: str) -> str:
    """Return why a word is not allowed in a template; empty if it is."""
    if not _MACRO.match(word) or word in (*_WHOLE, SAVED_DIR_MACRO, MODEL_PATH_MACRO):
        return ""
    if _ENVVAR.match(word) or _HPARAM.match(word):
        return ""
    known = (*_WHOLE, "${envvar:NAME}", "${hparam:NAME}")
    return f"macro {word} is unknown; use one of: {', '.join(known)}{did_you_mean(word, known)}"


def literal(word: str) -> str:
    """Escape a word so that a template reproduces it literally."""
    return word.replace("${", "$${")


def of_line(line: str) -> tuple[str, ...]:
    """Return the words of a shell command line; a quotation mark left open raises ValueError.

    A plain line is split; a line with shell syntax, or that begins with a shell builtin, becomes
    `bash -c LINE`.
    """
    if _NOT_PLAIN.search(line):
        return ("bash", "-c", line)
    words = tuple(shlex.split(line))
    return ("bash", "-c", line) if words[:1] and words[0] in _BUILTINS else words


def is_shell_line(words: Sequence[str]) -> bool:
    """Return whether a command is `bash -c LINE` or similar, to which no words can be added."""
    return len_of_shell_line(words) > 0


def len_of_shell_line(words: Sequence[str]) -> int:
    """Return the length of `bash -c LINE`, `bash -ec LINE` or `bash -e -c LINE`; else 0."""
    if not words or words[0].rpartition("/")[2] not in _SHELLS:
        return 0
    for place, word in enumerate(words[1:-1], start=1):
        if re.fullmatch(r"-[A-Za-z]*c[A-Za-z]*", word):
            return place + 2
        if not re.fullmatch(r"[-+][A-Za-z]+|--[a-z]+|pipefail", word):
            break
    return 0


def _with_values(word: str, given: Given) -> str:
    def what(found: re.Match[str]) -> str:
        if found[1] is not None:
            return given.environ.get(found[1], found[1])
        if found[2] is not None:
            return as_text(given.flat[found[2]]) if found[2] in given.flat else ""
        return "${"

    return _INSIDE.sub(what, word)


def _overrides(prefix: str) -> Callable[[Given], Sequence[str]]:
    return lambda given: [f"{prefix}{name}={value}" for name, value in given.flat.items()]


def _no_boolean_flags(given: Given) -> list[str]:
    kept = {name: value for name, value in given.nested.items() if value is not False}
    return [f"--{name}" if value is True else f"--{name}={value}" for name, value in kept.items()]


_SHELLS = ("sh", "bash", "dash", "zsh", "ksh")
_BUILTINS = frozenset(
    {".", "cd", "command", "eval", "exec", "export", "set", "source", "time", "ulimit", "umask"}
)
_OF_EVERY_TRIAL = ("${env}", "${interpreter}")
_WHOLE: Mapping[str, Callable[[Given], Sequence[str]]] = {
    HYPERPARAMETERS: lambda given: [f"--{k}={as_text(v)}" for k, v in given.flat.items()],
    MODEL_OPTIONS: lambda given: given.model_options,
    OVERRIDES: lambda given: overrides(given.nested),
    RUN_DIR_OVERRIDE: lambda given: [f"{RUN_DIR}{hydra_value(given.saved_params_dir)}"],
    "${env}": lambda given: ["/usr/bin/env"],
    "${interpreter}": lambda given: [given.interpreter],
    "${args}": lambda given: [f"--{k}={v}" for k, v in given.nested.items()],
    "${args_no_equals}": lambda given: [
        word for k, v in given.nested.items() for word in (f"--{k}", str(v))
    ],
    "${args_no_hyphens}": _overrides(""),
    "${args_no_boolean_flags}": _no_boolean_flags,
    "${args_append_hydra}": _overrides("+"),
    "${args_override_hydra}": _overrides("++"),
    "${args_json}": lambda given: [as_json(given.nested)],
    JSON_FILE: lambda given: [given.json_file],
}
