"""The search space of an `hp_space` in the style of Optuna, Ray Tune or W&B, and its check."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any

from autofinetune.errors import ConfigError, UsageError, did_you_mean
from autofinetune.manifests.wandb import METHODS
from autofinetune.space.base import Parameter
from autofinetune.space.define import read_defined
from autofinetune.space.defined import Defined
from autofinetune.space.ray import is_ray
from autofinetune.space.wandb import is_sweep
from autofinetune.trial.function import with_objects
from autofinetune.trial.suggest import Replayed, Suggesting

from .values import split

STYLES = OPTUNA, RAY, WANDB = ("optuna", "ray", "wandb")
_IGNORED = {"metric", "name", "description", "project", "entity"}  # direction= says what is better
_RANDOM = 32  # configurations that are looked at in advance, besides one for each choice


def default_hp_space(trial: Any) -> dict[str, Any]:
    """Return the search space that transformers has for Optuna."""
    return {
        "learning_rate": trial.suggest_float("learning_rate", 1e-6, 1e-4, log=True),
        "num_train_epochs": trial.suggest_int("num_train_epochs", 1, 5),
        "seed": trial.suggest_int("seed", 1, 40),
        "per_device_train_batch_size": trial.suggest_categorical(
            "per_device_train_batch_size", [4, 8, 16, 32, 64]
        ),
    }


def read_space(hp_space: Any, backend: str | None) -> tuple[Any, dict[str, Any]]:
    """Return the space as `tune` takes it, and the options that it contains.

    Args:
        hp_space: a function, called as transformers does, or what such a function returns.
        backend: the style that it must have, one of STYLES; None for any.

    Raises:
        UsageError: there is no such style, or the space has another one.
    """
    if backend is not None and backend not in STYLES:
        raise UsageError(
            f"backend={backend!r} is unknown{did_you_mean(str(backend), STYLES)}",
            f"it is the style of hp_space: {', '.join(STYLES)}, or left out",
        )
    space, style = _called(hp_space)
    if backend is not None and style != backend:
        found = f"has the style of {style}" if style else f"returned {type(space).__name__}"
        raise UsageError(
            f"backend={backend!r} says that hp_space is written for {backend}, but it {found}",
            "leave backend out, or correct hp_space",
        )
    return _of_sweep(space) if style == WANDB else (space, {})


class _Suggests(BaseException):
    """The function suggests hyperparameters, so it has the style of Optuna."""


class _Looking(Suggesting):
    def _answer(self, name: str, entry: Mapping[str, Any]) -> Any:
        raise _Suggests


def _called(hp_space: Any) -> tuple[Any, str]:
    """Return the space, and its style; an empty string for other forms that `tune` takes."""
    if callable(hp_space):
        try:
            hp_space = hp_space(_Looking())
        except _Suggests:
            return hp_space, OPTUNA
    if not isinstance(hp_space, Mapping):
        what = type(hp_space).__name__
        raise UsageError(
            f"hp_space returned {what}, and suggested nothing",
            "it calls trial.suggest_float(...) and so on, or returns a dict for Ray Tune or W&B",
        )
    return hp_space, RAY if is_ray(hp_space) else WANDB if is_sweep(hp_space) else ""


def _of_sweep(sweep: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    for key in sweep.keys() - _IGNORED - {"method", "parameters"}:
        raise UsageError(
            f"hp_space: {key} of a W&B sweep is not read here",
            "leave it out; early stopping is assessor='asha', the number of trials n_trials=...",
        )
    method = sweep.get("method", "bayes")
    if method not in METHODS:
        raise UsageError(
            f"hp_space: method={method!r} is none of {', '.join(METHODS)}",
            "correct it, or leave it out and choose by tuning_strategy=...",
        )
    strategy = {"tuning_strategy": METHODS[method]} if "method" in sweep else {}
    return {"parameters": sweep["parameters"]}, strategy


def check_space(space: Any, args: Any, *, takes_trial: bool) -> None:
    """Raise ConfigError with every value that TrainingArguments would not take.

    `takes_trial` says whether `model_init` can read hyperparameters that are no fields.
    """
    mistakes: dict[tuple[str, str], str] = {}  # one for each range, and for each word
    for configuration in _samples(read_defined(space)):
        for name, value in configuration.items():
            try:
                split(args, {name: value}, others_allowed=takes_trial)
            except UsageError as error:
                word = value if isinstance(value, str) else ""
                mistakes.setdefault((name, word), error.message)
    if mistakes:
        raise ConfigError("hp_space", list(mistakes.values()))


def _samples(found: Defined) -> Iterator[Mapping[str, Any]]:
    """Yield some configurations as trials get them, with each value of each choice."""
    source = random.Random(0)
    longest = max(
        (parameter.size or 0 for parameter in found.space if _is_choice(parameter)), default=0
    )
    points = [[_coordinate(one, turn) for one in found.space] for turn in range(max(longest, 2))]
    points += [[source.random() for _ in found.space] for _ in range(_RANDOM)]
    for point in points:
        params = with_objects(found.space.nest(found.space.decode(point)), found.objects)
        trial = Replayed(params)
        returned = params if found.compute is None else found.compute(trial)
        yield trial.params if returned is None else returned


def _is_choice(parameter: Parameter) -> bool:
    return parameter.type_name == "choice"


def _coordinate(parameter: Parameter, turn: int) -> float:
    """Return where value number `turn` of a choice is, or an end of a range."""
    if _is_choice(parameter) and parameter.size:
        return (turn % parameter.size + 0.5) / parameter.size
    return float(turn % 2)
