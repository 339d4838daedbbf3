"""Sweepers of Hydra: the grammar of overrides, the older form, and every mistake."""

from __future__ import annotations

import pytest

from autofinetune.errors import ConfigError
from autofinetune.space import Parameter, Space, load_space, parse_yaml, read_space
from autofinetune.space.parameters import (
    ChoiceParameter,
    Constant,
    FloatParameter,
    IntParameter,
    SteppedFloatParameter,
)

OPTUNA = "defaults:\n  - override hydra/sweeper: optuna\nhydra:\n  sweeper:\n    params:\n"
BASIC = "hydra:\n  sweeper:\n    params:\n"


def read(text: str) -> Space:
    return read_space(parse_yaml(text.encode(), "config.yaml"))


def only(value: str, head: str = OPTUNA) -> Parameter | Constant:
    space = read(f"{head}      x: {value}\n      other: choice(1, 2)\n")
    parts: list[Parameter | Constant] = [*space, *space.constants]
    return next(part for part in parts if part.name == "x")


def choice(*values: object) -> ChoiceParameter:
    return ChoiceParameter("x", values, values[0])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "parameter"),
    [
        ("interval(0, 1)", FloatParameter("x", 0.0, 1.0, 0.5)),
        ("interval(-5.5,end=5.5)", FloatParameter("x", -5.5, 5.5, 0.0)),
        ("int(interval(1, 9))", IntParameter("x", 1, 9, 5)),
        ("tag(log, interval(0.01, 1))", FloatParameter("x", 0.01, 1.0, 0.1, log=True)),
        ("int(tag(log, interval(1, 16)))", IntParameter("x", 1, 16, 3, log=True)),
        ("tag(a, 'log', int(interval(1, 16)))", IntParameter("x", 1, 16, 3, log=True)),
        ("interval(3, 3)", choice(3.0)),
        ("range(0, 10, 5)", IntParameter("x", 0, 10, 5, step=5)),
        ("range(3)", IntParameter("x", 0, 3, 2)),
        ("range(-1.0, 1, step=0.5)", SteppedFloatParameter("x", -1.0, 1.0, 0.0, 0.5)),
        ("range(stop=4, start=2)", IntParameter("x", 2, 4, 3)),
        ("float(range(0, 2))", SteppedFloatParameter("x", 0.0, 2.0, 1.0, 1.0)),
        ("choice(-5 ,0 ,5)", choice(-5, 0, 5)),
        ("choice(a, 'b', \"c d\", 1e-3, true, null)",
         choice("a", "b", "c d", 0.001, True, None)),
        ("choice('1', '[x]', [1, 2])", choice("'1'", "'[x]'", "[1, 2]")),
        ("a, b,c", choice("a", "b", "c")),
        ('"1,2"', choice(1, 2)),
        ("shuffle(range(0, 3))", choice(0, 1, 2)),
        ("shuffle(3, 1)", choice(3, 1)),
        ("sort(3, 1, reverse=true)", choice(3, 1)),
        ("shuffle(choice(3, 1))", choice(3, 1)),
        ("str(choice(3, 1))", choice("3", "1")),
        ("3", Constant("x", 3)),
        ("adam", Constant("x", "adam")),
        ("'1e-3'", Constant("x", 0.001)),
        ("[1, 2]", Constant("x", [1, 2])),
        ("{type: float, low: 0, high: 1}", FloatParameter("x", 0.0, 1.0, 0.5)),
    ],
)  # fmt: skip
def test_an_override(value: str, parameter: Parameter | Constant) -> None:
    found = only(value)
    assert found == parameter
    if isinstance(found, ChoiceParameter):
        assert list(map(type, found.values())) == list(map(type, parameter.values()))  # type: ignore[union-attr]


def test_the_end_of_a_range_is_not_in_it_for_the_basic_sweeper() -> None:
    assert only("range(0, 10, 5)", BASIC) == choice(0, 5)
    assert only("range(3)", BASIC) == choice(0, 1, 2)


def test_names_are_those_of_overrides() -> None:
    space = read(f"{BASIC}      +model.lr: 1,2\n      ++a: 1,2\n      db/engine@x.y: my, pg\n")
    assert space.names == ("+model.lr", "++a", "db/engine@x.y")
    assert load_space(space.describe()) == space


def test_the_older_form() -> None:
    space = read("hydra:\n  sweeper:\n    search_space:\n"
                 "      x: {type: float, low: 0, high: 1, step: 0.5}\n"
                 "      y: {type: int, low: 1, high: 16, log: true}\n"
                 "      z: {type: categorical, choices: [1, [2]]}\n")  # fmt: skip
    x, y, z = space
    assert x == SteppedFloatParameter("x", 0.0, 1.0, 0.5, 0.5)
    assert y == IntParameter("y", 1, 16, 3, log=True)
    assert list(z.values()) == [1, "[2]"]


def test_a_file_of_the_group_of_sweepers() -> None:
    space = read("_target_: hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper\n"
                 "params: {x: 'interval(0, 1)'}\n")  # fmt: skip
    assert space.names == ("x",)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("glob(*)", "x: 'glob(*)' refers to files of the application"),
        ("intervall(0, 1)", "x: 'intervall(0, 1)' is not understood; use one of: interval, range"),
        ("intervall(0, 1)", "(did you mean 'interval'?)"),
        ("interval(0)", "x: 'interval(0)': interval takes start, end, all numbers"),
        ("interval(a, 1)", "interval takes start, end, all numbers"),
        ("range(1, 2, 3, 4)", "x: "),
        ("interval(0, stop=3)", "interval takes start, end, all numbers"),
        ("interval(2, 1)", "x: the lower bound (2.0) must be below the upper bound (1.0)"),
        ("tag(log, interval(0, 1))", "x: the lower bound (0.0) must be above 0 on a logarithmic"),
        ("range(0, 1, 0)", "x: the step must be above 0, found 0"),
        ("range(0, 10, -1)", "x: the step must be above 0, found -1"),
        ("shuffle(range(9, 1))", "x: a range of "),
        ("shuffle(range(0, 1e9))", "a range of 1000000000 values must have 1 to 10000"),
        ("choice()", "choice must have at least one value"),
        ("choice((1)", "has an unmatched bracket or quotation mark"),
        ("int(choice(a, b))", "cannot be cast to int"),
        ("bool(interval(0, 1))", "cannot be cast to bool"),
        ("int(interval(0, 1), interval(0, 2))", "int takes one sweep"),
        ("tag()", "is not understood"),
        ("{lr: 'interval(0, 1)'}", "a nested name is written with a dot, as in model.lr: ..."),
        ("{type: float, low: 1}", "x: high is missing; give a number"),
        ("{type: real, low: 1, high: 2}", "x: type 'real' is unknown"),
    ],
)  # fmt: skip
def test_a_mistake(value: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        only(value)
    (mistake,) = caught.value.mistakes
    assert mistake.startswith("config.yaml:6:")
    assert why in mistake


@pytest.mark.parametrize("params", ["3", "[]", "{}", "", "[a]"])
def test_params_are_a_mapping(params: str) -> None:
    with pytest.raises(ConfigError, match=r"config.yaml:\d+:\d+ hydra.sweeper.params (must|is)"):
        read(f"hydra:\n  sweeper:\n    n_trials: 3\n    params: {params}\n")
