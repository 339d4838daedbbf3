"""The tuner and the assessor of a manifest, as NNI writes them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from autofinetune.assessors import ASSESSORS, assessor_class
from autofinetune.config.commands import CHECKPOINT_TO_LOAD, CHECKPOINT_TO_SAVE
from autofinetune.errors import UsageError, did_you_mean
from autofinetune.space.fields import short
from autofinetune.strategies import STRATEGIES, known_name, strategy_class

from .arguments import Arguments
from .reader import CONSTANTS, NO_EFFECT, Section

_MINIMIZE = ("tpe", "anneal")  # these minimize by default in NNI
_OWN_CODE = ("className", "codeDir", "classFileName", "codeDirectory")
_ABSENT = ("smac", "dngo", "networkmorphism", "regularizedevolution")
_ANOTHER_STRATEGY, _NO_ASSESSOR = "--tuning_strategy=tpe", "--assessor=none"
_CHECKPOINTS = {
    "load_checkpoint_dir": CHECKPOINT_TO_LOAD, "save_checkpoint_dir": CHECKPOINT_TO_SAVE,
}  # fmt: skip
_PBT = (
    "continues models: a trial gets load_checkpoint_dir, the directory of the model that it "
    "continues, and save_checkpoint_dir, the directory of its own model; a member continues "
    "as soon as its trial has finished, whereas NNI waits for all members"
)
_BUDGET = "TRIAL_BUDGET"


@dataclass(frozen=True)
class _Budgets:
    """An advisor: its strategy, its largest budget, and its arguments by our option names."""

    name: str
    strategy: str
    longest: int
    names: Mapping[str, str]


_ADVISORS = {
    "hyperband": _Budgets("Hyperband", "random", 60, {"max_steps": "R", "eta": "eta"}),
    "bohb": _Budgets(
        "BOHB", "tpe", 3, {"max_steps": "max_budget", "min_steps": "min_budget", "eta": "eta"}
    ),
}


def read_tuner(section: Section, name_field: str) -> dict[str, Any]:
    """Return the options given by a tuner or an advisor.

    With `--tuning_strategy` on the command line its name and arguments are ignored, except for the
    direction and what scripts written for it need.
    """
    is_replaced = "tuning_strategy" in section.file.given
    if not section.value and not is_replaced:
        return {}
    name = _name(section, name_field, "a strategy", _ANOTHER_STRATEGY, is_replaced)
    section.no_effect("gpuIndices", "includeIntermediateResults")
    args = Arguments(section, section.data("classArgs"))
    section.rest()
    advisor = _ADVISORS.get((name or "").lower().removesuffix("advisor"))
    strategy = advisor.strategy if advisor else None
    if name and not advisor:
        strategy = _known(section, name_field, name, is_replaced)
    if strategy is None and not is_replaced:
        return {}
    found: dict[str, Any] = {"direction": _direction(section, args, "" if advisor else strategy)}
    if advisor:
        found |= _read_budgets(section, name_field, advisor, args)
    if strategy == "pbt":
        found |= _read_pbt(section, name_field, args, is_replaced)
    if not is_replaced and strategy is not None:
        section.gives("tuning_strategy", name_field)
        found["tuning_strategy"] = strategy
        found["seed"] = _seed(args)
        is_foreign = ":" in strategy  # such a class checks its own arguments
        options = None if is_foreign else strategy_class(strategy).OPTIONS
        found["strategy_options"] = {} if advisor else args.checked(strategy, options)
    return found


def _known(section: Section, field: str, name: str, is_replaced: bool) -> str | None:
    """Return our name for a tuner, or None if there is no such strategy."""
    try:
        return known_name(name)
    except UsageError:
        if is_replaced:
            return None
    known = ", ".join(STRATEGIES)
    guess = did_you_mean(name.lower()[:60], STRATEGIES)
    why = f"{short(name)} is not among the strategies: {known}{guess}"
    if name.lower().removesuffix("tuner") in _ABSENT:
        why = f"{short(name)} is an NNI tuner that is not supported; the strategies are: {known}"
    section.refuse(field, why, *([] if guess else [_ANOTHER_STRATEGY]))
    return None


def _direction(section: Section, args: Arguments, strategy: str | None) -> str:
    mode = args.mode()
    if mode is not None:
        return mode
    if "direction" in section.file.given:
        return str(section.file.given["direction"])
    usual = "minimize" if strategy in _MINIMIZE else "maximize"
    why = f"names no optimize_mode, so it is {usual}"
    if strategy:
        why += f", the default of {strategy} in NNI"
    section.file.note(section.path, f"{section.label()} {why}; --direction overrides it")
    return usual


def _seed(args: Arguments) -> int | None:
    seed = args.values.pop("seed", None)
    if type(seed) in (int, float) and 0 <= seed < 2**63 and seed == int(seed):
        return int(seed)
    if seed is not None:
        args.mistake("seed", f"must be a whole number of at least 0, found {short(seed)}")
    return None


def _read_pbt(section: Section, field: str, args: Arguments, is_replaced: bool) -> dict[str, Any]:
    """Read pbt, whose trials get the directories of models among their parameters."""
    found: dict[str, Any] = {CONSTANTS: dict(_CHECKPOINTS)}
    why = f"{NO_EFFECT}: models are kept in the output directory of the run"
    args.no_effect("all_checkpoint_dir", why)
    if is_replaced:
        return found
    section.note(field, _PBT)
    return found | {"evaluator": "populationbased", "warm_args": []}


def read_assessor(section: Section, name_field: str, direction: str | None) -> dict[str, Any]:
    """Return `assessor` and `assessor_options`, unless the command line names an assessor."""
    if not section.value:
        return {}
    is_replaced = "assessor" in section.file.given
    name = _name(section, name_field, "an assessor", _NO_ASSESSOR, is_replaced)
    section.no_effect("gpuIndices")
    document = section.data("classArgs")
    section.rest()
    if name is None or is_replaced:
        return {}
    plain = name.lower().removesuffix("assessor")
    if plain not in ASSESSORS:
        guess = did_you_mean(plain[:60], ASSESSORS)
        why = f"{short(name)} is not among the assessors: {', '.join(ASSESSORS)}{guess}"
        section.refuse(name_field, why, *([] if guess else [_NO_ASSESSOR]))
        return {}
    section.gives("assessor", name_field)
    args = Arguments(section, document)
    mode = args.mode()
    if mode and direction and mode != direction:
        why = f"{mode} contradicts the tuner's, which is {direction} and applies to both"
        args.note("optimize_mode", why)
    options = args.checked(plain, assessor_class(plain).OPTIONS)
    return {"assessor": plain, "assessor_options": options}


def _name(section: Section, field: str, kind: str, remedy: str, is_replaced: bool) -> str | None:
    """Return the name of a built-in plug-in; None if there is none, or for the user's code."""
    section.skip(*_OWN_CODE)
    own = [name for name in _OWN_CODE if name in section]
    if own and field not in section:
        section.skip(field)
        if not is_replaced:
            code = short(section.take(own[0]))
            why = f"{code}: your own code cannot be {kind}; name a built-in one"
            section.refuse(own[0], why, remedy)
        return None
    for name in own:
        section.note(name, NO_EFFECT)
    return section.text(field, needed="" if is_replaced else f"name {kind}")


def _read_budgets(
    section: Section, name_field: str, budgets: _Budgets, args: Arguments
) -> dict[str, Any]:
    """Return the options of a run that searches like the advisor, except the strategy.

    Trials train for the budget that they read from the parameter `TRIAL_BUDGET`. In NNI a
    configuration is trained with a small budget first and, if it is among the best, again from
    scratch with a larger one. Here every trial gets the whole budget once, and the assessor
    `hyperband` stops it at the same rungs by its intermediate reports.
    """
    args.no_effect("exec_mode", f"{NO_EFFECT}: no bracket waits for another one")
    known = assessor_class("hyperband").OPTIONS
    options = {
        name: dataclasses.replace(known[ours], also=()) for ours, name in budgets.names.items()
    }
    given = args.checked(budgets.name, options)
    found = {ours: given[name] for ours, name in budgets.names.items() if name in given}
    found.setdefault("max_steps", str(budgets.longest))
    try:
        longest, first = (int(float(found.get(k, "1"))) for k in ("max_steps", "min_steps"))
    except (ValueError, OverflowError):  # already reported
        return {}
    if first > longest >= 1:
        least, most = budgets.names["min_steps"], budgets.names["max_steps"]
        args.mistake(least, f"must not be above {most}, which is {longest}")
    budget = {CONSTANTS: {_BUDGET: longest}}
    if "assessor" in section.file.given:
        section.note(name_field, f"every trial gets {_BUDGET}={longest}")
        return budget
    section.gives("assessor", name_field)
    strategy = section.file.given.get("tuning_strategy", budgets.strategy)
    section.note(
        name_field,
        f"{budgets.name} is the strategy {strategy} with the assessor hyperband: every "
        f"trial gets {_BUDGET}={longest}, and the assessor stops it early at the budgets at which "
        f"{budgets.name} of NNI would compare it. It counts one intermediate report per unit of "
        "budget; use --assessor_options=max_steps=N for a script with N reports in total. Trials "
        "of a script without intermediate reports use the whole budget",
    )
    return {"assessor": "hyperband", "assessor_options": found, **budget}
