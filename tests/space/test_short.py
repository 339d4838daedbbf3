"""Spaces written in Python."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from autofinetune.errors import ConfigError
from autofinetune.space import Space
from autofinetune.space.define import read_defined
from autofinetune.space.short import choice, integers, loguniform, uniform


def entries(given: Any) -> dict[str, dict[str, Any]]:
    found: Any = read_defined(given).space.describe()["param_list"]
    return {one.pop("name"): one for one in found}


def test_short_forms_and_their_initial_values() -> None:
    found = entries({
        "lr": (0.0, 0.5), "units": (4, 64), "act": ["relu", "tanh"], "epochs": 3,
        "decay": loguniform(1e-4, 1e-2), "drop": uniform(0, 0.6, step=0.2, init=0.4),
        "width": integers(1, 100, log=True), "depth": integers(2, 8, step=2),
        "warm": choice([True, False], init=False, probabilities=[0.25, 0.75]),
        "typed": {"type": "float", "greater_than": 1.0, "lower_than": 2.0},
    })  # fmt: skip
    assert found["lr"] == {
        "type": "float", "init_value": 0.25, "greater_than": 0.0, "lower_than": 0.5,
    }  # fmt: skip
    assert found["units"]["type"] == "int" and found["units"]["init_value"] == 34
    assert found["act"] == {"type": "choice", "choices": ["relu", "tanh"], "init_value": "relu"}
    assert found["epochs"] == {"type": "constant", "value": 3}
    assert (found["decay"]["log"], found["decay"]["init_value"]) == (True, 0.001)
    assert (found["drop"]["step"], found["drop"]["init_value"]) == (0.2, 0.4)
    assert found["width"]["init_value"] == pytest.approx(8, abs=1)
    assert found["depth"]["step"] == 2
    assert found["warm"]["init_value"] is False
    assert found["warm"]["probabilities"] == [0.25, 0.75]
    assert found["typed"]["init_value"] == 1.5


def test_values_of_a_choice_have_hyperparameters_of_their_own() -> None:
    given = {
        "optimizer": {
            "sgd": {"momentum": (0.0, 0.9), "lr": (0.1, 1.0)},
            "adam": {"lr": (0.001, 0.1), "amsgrad": {True: {}, False: {"eps": (0.1, 0.2)}}},
        },
    }
    found = entries(given)
    assert found["momentum"]["only_if"] == {"optimizer": "sgd"}
    assert found["optimizer.sgd.lr"]["path"] == found["optimizer.adam.lr"]["path"] == ["lr"]
    assert found["eps"]["only_if"] == {"amsgrad": False}
    defined = read_defined(given)
    assert defined.arguments == {"optimizer", "momentum", "lr", "amsgrad", "eps"}
    assert defined.in_every_trial == {"optimizer", "lr"}
    space = defined.space
    assert space.nest(space.init_params) == {"optimizer": "sgd", "momentum": 0.45, "lr": 0.55}


def test_objects_have_unique_readable_labels() -> None:
    class Adam: ...

    double, half = lambda x: 2 * x, lambda x: x / 2
    partial = functools.partial(max, 2)
    given = {
        "optimizer": {Adam: {"betas": [(0.9, 0.99), (0.5, 0.9)]}, dict: {}},
        "act": choice([double, half, "<lambda>", Adam], init=half),
        "data": object(),
        "other": [partial, [1, 2], {"a": 1}, {1: 2}],
    }
    defined = read_defined(given)
    found = entries(given)
    assert found["optimizer"]["choices"] == ["Adam", "dict"]
    assert found["betas"]["only_if"] == {"optimizer": "Adam"}
    assert found["betas"]["choices"] == ["(0.9, 0.99)", "(0.5, 0.9)"]
    labels = ["<lambda>#2", "<lambda>#3", "<lambda>", "Adam"]
    assert (found["act"]["choices"], found["act"]["init_value"]) == (labels, "<lambda>#3")
    assert found["data"] == {"type": "constant", "value": "object"}
    assert found["other"]["choices"][1:] == [[1, 2], {"a": 1}, "{1: 2}"]
    assert defined.objects["act",] == {"<lambda>#2": double, "<lambda>#3": half, "Adam": Adam}
    assert defined.objects["betas",]["(0.5, 0.9)"] == (0.5, 0.9)


def test_scalars_of_numpy_are_numbers() -> None:
    numpy = pytest.importorskip("numpy")
    found = entries({"a": (numpy.float64(0), numpy.int64(2)), "b": list(numpy.arange(2))})
    assert (found["a"]["type"], found["b"]["choices"]) == ("float", [0, 1])
    assert all(type(one) is int for one in found["b"]["choices"])


@pytest.mark.parametrize(
    ("given", "mistake"),
    [
        ({}, "is empty; give for instance"),
        ({"a": (1, 2, 3)}, r"a: \(1, 2, 3\) is no range \(low, high\) of two numbers; a choice"),
        ({"a": ("x", "y")}, "is no range"),
        ({"a": (True, False)}, "is no range"),
        ({"a": (2, 1)}, r"greater_than \(2\) must be below lower_than \(1\)"),
        ({"a": loguniform(0, 1)}, "must be above 0"),
        ({"a": uniform("x", 1)}, "greater_than must be a number, found 'x'"),  # type: ignore[arg-type]
        ({"a": {"x": {}, "y": 1}}, "needs a dict of its own hyperparameters.*'y' has 1"),
        ({"a": {}}, "the dict is empty"),
        ({"a": []}, "must be a list with at least one value"),
        ({"a": range(3)}, "neither a range"),
        ({"a": choice([1, 2], init=3)}, "must be one of the choices: 1, 2"),
        ({"a b": 1}, "cannot be an option"),
        ({3: (1, 2)}, "cannot be an option"),
        ({"help": (1, 2)}, "reserved"),
        ({"a": {"x": {"b": (1, 0)}}}, r"a\.x\.b: greater_than"),
        ({"lr": (0, 1), "o": {"sgd": {"lr": (0, 1)}, "adam": {}}}, r"its path \['lr'\] is also"),
    ],
)
def test_mistakes(given: Any, mistake: str) -> None:
    with pytest.raises(ConfigError, match=mistake):
        read_defined(given)


def test_other_forms_are_still_read() -> None:
    nni = {"lr": {"_type": "uniform", "_value": [0, 1]}}
    wandb = {"parameters": {"lr": {"min": 0.0, "max": 1.0}}}
    (own,) = (entries({"lr": (0.0, 1.0)}),)
    assert entries(nni) == entries(wandb) == own
    listed = {"param_list": [{"name": "lr", **own["lr"]}]}
    assert entries(listed) == own
    space = read_defined(listed).space
    assert isinstance(space, Space) and read_defined(space).space is space
