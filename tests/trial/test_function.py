"""How a function is called in a trial."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from autofinetune.trial.function import arguments, unfit, with_objects

PARAMS = {"lr": 0.1, "units": 8}
NAMES = ("lr", "units", "momentum")


def by_name(lr: float, units: int, momentum: float = 0.0) -> None: ...
def as_dict(config: dict[str, Any]) -> None: ...
def as_dict_with_default(config: dict[str, Any], epochs: int = 3) -> None: ...
def with_own(lr: float, units: int, saved_params_dir: str, model_path: str | None) -> None: ...
def dict_and_own(config: dict[str, Any], saved_params_dir: str) -> None: ...
def of_any(**params: Any) -> None: ...
def positional(config: dict[str, Any], /) -> None: ...
def of_data(data: list[int], lr: float, units: int) -> None: ...


@pytest.mark.parametrize(
    ("function", "args", "named"),
    [
        (by_name, [], PARAMS),
        (as_dict, [], {"config": PARAMS}),
        (as_dict_with_default, [], {"config": PARAMS}),
        (with_own, [], {**PARAMS, "saved_params_dir": "/saved", "model_path": None}),
        (dict_and_own, [], {"config": PARAMS, "saved_params_dir": "/saved"}),
        (of_any, [], PARAMS),
        (positional, [PARAMS], {}),
        (functools.partial(of_data, [1]), [], PARAMS),
        (dict, [], PARAMS),  # which does not tell its parameters
    ],
)
def test_hyperparameters_come_by_name_or_as_a_dict(
    function: Callable[..., Any], args: list[Any], named: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("AUTOFINETUNE_SAVED_PARAMS_DIR", "/saved")
    monkeypatch.setenv("AUTOFINETUNE_MODEL_PATH", "")
    assert arguments(function, PARAMS, NAMES) == (args, named)
    function(*args, **named)


def test_a_function_that_does_not_fit_is_found_before() -> None:
    always = ("lr", "units")
    assert unfit(by_name, NAMES, always) == unfit(as_dict, NAMES, always) == ""
    assert unfit(of_any, NAMES, always) == unfit(dict, NAMES, always) == ""
    assert unfit(with_own, NAMES, always) == (
        "has no parameter momentum, which is a hyperparameter"
    )
    assert unfit(lambda lr, units, momentum: 1, NAMES, always) == (
        "has the parameter momentum without a default, which not every trial has"
    )
    assert unfit(of_data, NAMES[:2], always) == (
        "has the parameter data without a default, which is no hyperparameter"
    )
    assert unfit(lambda lr: 1, ("lr",), ("lr",)) == ""  # not a dict: it has that name


def test_objects_take_the_place_of_their_labels() -> None:
    objects: Any = {("act",): {"abs": abs}, ("net", "act"): {"max": max}, ("missing",): {"x": 1}}
    params = {"act": "abs", "net": {"act": "max", "n": 1}, "other": "abs"}
    assert with_objects(params, objects) == {
        "act": abs, "net": {"act": max, "n": 1}, "other": "abs",
    }  # fmt: skip
    assert params["net"] == {"act": "max", "n": 1}
