"""The options that trials will pass, and what is reported about those that a script lacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from autofinetune.config.commands import MODEL_PATH_MACRO, SAVED_DIR_MACRO
from autofinetune.config.config import MODEL_PATH, SAVED_PARAMS_DIR, Config
from autofinetune.config.option import option_name
from autofinetune.config.passing import CALLS
from autofinetune.errors import UsageError
from autofinetune.evaluators import EVALUATORS, option_names
from autofinetune.executors import HelpText

BY_OTHER_MEANS = (
    "it can read its hyperparameters from wandb.config, t9k.tuner, nni or the variable "
    "AUTOFINETUNE_PARAMS; --skip_preflight passes them as options anyway"
)


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
    return {**needed, **{n: why for n, why in given_options(config).items() if n not in needed}}


def given_options(config: Config) -> dict[str, str]:
    """Return the options that were given for the script, each with its origin."""
    return {
        **dict.fromkeys(map(option_name, config.warm_args or ()), "given by --warm_args"),
        **dict.fromkeys(map(option_name, config.other_args), "given on the command line"),
    }


def check_missing(called: str, needed: Mapping[str, str], found: HelpText) -> None:
    """Raise UsageError if a script lacks one of the options that trials will pass.

    `called` is its name for messages, and `needed` has the purpose or origin of each option.
    """
    missing = {name: why for name, why in needed.items() if name not in found.options}
    if not missing:
        return
    lines = [f"  --{name}  ({why}){near(name, found)}" for name, why in missing.items()]
    count = len(lines)
    head = f"{called} lacks {count} option{'s' if count != 1 else ''} that trials will pass:"
    name = next(iter(missing))
    tip = f'add, for instance, parser.add_argument("--{name}"), or pass --skip-preflight'
    if missing.keys() <= {SAVED_PARAMS_DIR, MODEL_PATH}:
        them = "it" if count == 1 else "them"
        tip = f"add {them}, or train every trial from scratch with --evaluator=fulltrail"
    raise UsageError("\n".join([head, *lines]), tip)


def note_missing(
    called: str, names: Sequence[str], found: HelpText, tell: Callable[[str], None]
) -> None:
    """Report which of its hyperparameters a script does not take as options."""
    missing = [f"--{name}{near(name, found)}" for name in names if name not in found.options]
    if missing:
        tell(f"note: {called} has no {', '.join(missing)}; {BY_OTHER_MEANS}")


def near(name: str, found: HelpText) -> str:
    """Return a hint about an option with almost the same name, or an empty string."""
    plain = name.replace("-", "_").lower()
    alike = [one for one in found.options if one.replace("-", "_").lower() == plain]
    return f"; it has --{alike[0]}, the names must match" if alike else ""


def check_required(config: Config, found: HelpText) -> None:
    """Raise UsageError if the script requires options that trials do not pass."""
    given = {*option_names(config), *map(option_name, config.other_args), SAVED_PARAMS_DIR}
    omitted = sorted(found.required - given)
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
