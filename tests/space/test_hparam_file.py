"""hparam.yaml: what loads, and every mistake with its place and a fix."""

from __future__ import annotations

import math
from collections import UserDict
from pathlib import Path
from typing import Any

import pytest

from autofinetune.errors import ConfigError, UsageError
from autofinetune.space import Parameter, Space, load_space, parse_yaml, read_space
from autofinetune.space.distributions import Beta, Normal, Uniform
from autofinetune.space.parameters import (
    ChoiceParameter,
    Condition,
    Constant,
    DrawnParameter,
    FloatParameter,
    IntParameter,
    QuantizedParameter,
    SteppedFloatParameter,
)


def read(text: str) -> Space:
    return read_space(parse_yaml(text.encode(), "hparam.yaml"))


def only(entry: str) -> Parameter:
    """The parameter of a file with this one entry, written as a flow mapping."""
    (parameter,) = read(f"param_list:\n- {{{entry}}}\n")
    return parameter


def mistakes(text: str) -> list[str]:
    """The mistakes in a file, without its name."""
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert caught.value.source == "hparam.yaml"
    assert str(caught.value).startswith(f"hparam.yaml has {len(caught.value.mistakes)} mistake")
    assert all(mistake.startswith("hparam.yaml:") for mistake in caught.value.mistakes)
    return [mistake.removeprefix("hparam.yaml:") for mistake in caught.value.mistakes]


FLOAT = "name: lr, type: float, init_value: 0.1, greater_than: 0.01, lower_than: 1"
INT = "name: n, type: int, init_value: 32, greater_than: 16, lower_than: 64"


# --- what loads ---------------------------------------------------------------------------------


def test_the_documented_example_loads() -> None:
    space = read("""\
param_list:
 - name : hparam1
   init_value : 0.001
   type : float
   lower_than : 0.05
   greater_than : 0.00005
 - name : hparam2
   init_value : 12
   type : int
   lower_than : 20
   greater_than : 5
""")
    assert list(space) == [
        FloatParameter("hparam1", 0.00005, 0.05, 0.001),
        IntParameter("hparam2", 5, 20, 12),
    ]


def test_every_extension_loads() -> None:
    space = read("""\
param_list:
  - name: learning_rate
    type: float
    init_value: 1e-3
    greater_than: 1e-5
    lower_than: 1E-1
    log: true
  - {name: dropout, type: float, init_value: .1, greater_than: 0, lower_than: 0.5, step: 0.1}
  - {name: batch_size, type: int, init_value: 32, greater_than: 16, lower_than: 64, step: 16}
  - {name: units, type: int, init_value: 64.0, greater_than: 1e1, lower_than: 1e3, log: true}
  - name: optimizer
    type: choice
    choices: [sgd, adam]
  - {name: amp, type: choice, choices: [true, false, null, 1, 1.0, '1'], init_value: 1.0}
""")
    assert list(space) == [
        FloatParameter("learning_rate", 1e-5, 0.1, 0.001, log=True),
        SteppedFloatParameter("dropout", 0.0, 0.5, 0.1, 0.1),
        IntParameter("batch_size", 16, 64, 32, step=16),
        IntParameter("units", 10, 1000, 64, log=True),
        ChoiceParameter("optimizer", ("sgd", "adam"), "sgd"),
        ChoiceParameter("amp", (True, False, None, 1, 1.0, "1"), 1.0),
    ]
    assert [repr(value) for value in space.init_params.values()] == [
        "0.001", "0.1", "32", "64", "'sgd'", "1.0",
    ]  # fmt: skip


@pytest.mark.parametrize("init", [0.01, 1, "1e-1", 0.5])
def test_the_bounds_themselves_are_allowed(init: object) -> None:
    entry = FLOAT.replace("init_value: 0.1", f"init_value: {init}")
    assert only(entry).init == float(str(init))


def test_a_step_as_wide_as_the_range_loads() -> None:
    entry = "name: x, type: float, init_value: 0.2, greater_than: 0.2, lower_than: 0.3, step: 0.1"
    assert only(entry).values() == [0.2, 0.3]


@pytest.mark.parametrize("absent", ["step: null", "step: ~", "log: false"])
def test_what_is_switched_off_is_as_if_absent(absent: str) -> None:
    assert only(f"{FLOAT}, {absent}") == only(FLOAT)


@pytest.mark.parametrize("name", ["a", "_", "learning-rate", "model.lr", "LR_2", "n" * 128])
def test_names(name: str) -> None:
    assert only(f"name: {name}, type: choice, choices: [1]").name == name


def test_thousands_of_parameters_load() -> None:
    lines = [f"- {{name: p{i}, type: choice, choices: [1]}}" for i in range(3000)]
    assert read("\n".join(["param_list:", *lines])).dim == 3000


def test_thousands_of_choices_load() -> None:
    parameter = only(f"name: c, type: choice, choices: {list(range(19_000))}")
    assert parameter.size == 19_000


# --- mistakes in one entry ----------------------------------------------------------------------


def float_with(**changes: str | None) -> str:
    """A file with one float on lines 2 to 6, some keys changed; None leaves a key out."""
    keys: dict[str, str | None] = {
        "name": "lr",
        "type": "float",
        "init_value": "0.1",
        "greater_than": "0.01",
        "lower_than": "1",
    }
    entry = [f"{key}: {value}" for key, value in (keys | changes).items() if value is not None]
    return "param_list:\n  - " + "\n    ".join(entry) + "\n"


@pytest.mark.parametrize(
    ("changes", "place", "why"),
    [
        ({"name": None}, "2:5 param_list[0]", "name is missing"),
        ({"name": "3"}, "2:11 param_list[0]", "name 3 cannot be an option; use letters"),
        ({"name": ""}, "2:10 param_list[0]", "name None cannot be an option"),
        ({"name": "1x"}, "2:11 param_list[0]", "name '1x' cannot be an option"),
        ({"name": "--lr"}, "2:11 param_list[0]", "name '--lr' cannot be an option"),
        ({"name": "a b"}, "2:11 param_list[0]", "name 'a b' cannot be an option"),
        ({"name": "a=b"}, "2:11 param_list[0]", "name 'a=b' cannot be an option"),
        ({"name": "$(id)"}, "2:11 param_list[0]", "name '$(id)' cannot be an option"),
        ({"name": '"a\\n"'}, "2:11 param_list[0]", r"name 'a\n' cannot be an option"),
        ({"name": "größe"}, "2:11 param_list[0]", "name 'größe' cannot be an option"),
        ({"name": "n" * 129}, "2:11 param_list[0]", f"name '{'n' * 56}... cannot be an option"),
        ({"name": "[a]"}, "2:11 param_list[0]", "name ['a'] cannot be an option"),
        ({"name": "help"}, "2:11 param_list[0] help", "name 'help' is reserved"),
        ({"name": "model_path"}, "2:11 ", "name 'model_path' is reserved"),
        ({"name": "saved_params_dir"}, "2:11 ", "name 'saved_params_dir' is reserved"),
        ({"type": None}, "2:5 ", "type is missing; use one of: float, int, choice"),
        ({"type": "flaot"}, "3:11 ", "type 'flaot' is unknown; use one of: float, int, "
                                     "choice, constant, layer_choice, input_choice "
                                     "(did you mean 'float'?)"),
        ({"type": "Float"}, "3:11 ", "type 'Float' is unknown; use one of: float, int, "
                                     "choice, constant, layer_choice, input_choice "
                                     "(did you mean 'float'?)"),
        ({"type": "uniform"}, "3:11 ", "type 'uniform' is unknown; use one of"),
        ({"type": "[float]"}, "3:11 ", "type ['float'] is unknown"),
        ({"type": ""}, "3:", "type None is unknown"),
        ({"init_value": None}, "2:5 ", "init_value is missing; give a number"),
        ({"greater_than": None}, "2:5 ", "greater_than is missing; give a number"),
        ({"lower_than": None}, "2:5 ", "lower_than is missing; give a number"),
        ({"greater_than": "low"}, "5:19 ", "greater_than must be a number, found 'low'"),
        ({"greater_than": "'0.01'"}, "5:19 ", "greater_than must be a number, found '0.01'"),
        ({"greater_than": "true"}, "5:19 ", "greater_than must be a number, found True"),
        ({"greater_than": "null"}, "5:19 ", "greater_than must be a number, found None"),
        ({"greater_than": "[0.01]"}, "5:19 ", "greater_than must be a number, found [0.01]"),
        ({"greater_than": "{a: 1}"}, "5:19 ", "greater_than must be a number, found {'a': 1}"),
        ({"greater_than": "1:30"}, "5:19 ", "greater_than must be a number, found '1:30'"),
        ({"greater_than": "0x10"}, "5:19 ", "greater_than must be a number, found '0x10'"),
        ({"greater_than": ".nan"}, "5:19 ", "greater_than must be finite, found nan"),
        ({"greater_than": "-.inf"}, "5:19 ", "greater_than must be finite, found -inf"),
        ({"lower_than": ".inf"}, "6:17 ", "lower_than must be finite, found inf"),
        ({"lower_than": "1e400"}, "6:17 ", "lower_than must be finite, found inf"),
        ({"lower_than": "9" * 350}, "6:17 ", "lower_than is too large for a float"),
        ({"init_value": ".nan"}, "4:17 ", "init_value must be finite, found nan"),
        ({"lower_than": "0.001"}, "5:19 ",
         "greater_than (0.01) must be below lower_than (0.001)"),
        ({"lower_than": "0.01"}, "5:19 ", "greater_than (0.01) must be below lower_than (0.01)"),
        ({"init_value": "2"}, "4:17 ",
         "init_value (2.0) must be within [0.01, 1.0], the bounds included"),
        ({"init_value": "0"}, "4:17 ", "init_value (0.0) must be within [0.01, 1.0]"),
        ({"greater_than": "0", "log": "true"}, "5:19 ",
         "greater_than (0.0) must be above 0 with log: true"),
        ({"greater_than": "-1", "log": "true"}, "5:19 ",
         "greater_than (-1.0) must be above 0 with log: true"),
        ({"log": "yes"}, "7:10 ", "log must be true or false, found 'yes'"),
        ({"log": "1"}, "7:10 ", "log must be true or false, found 1"),
        ({"log": "null"}, "7:10 ", "log must be true or false, found None"),
        ({"step": "0"}, "7:11 ", "step must be above 0, found 0.0"),
        ({"step": "-1"}, "7:11 ", "step must be above 0, found -1.0"),
        ({"step": "x"}, "7:11 ", "step must be a number, found 'x'"),
        ({"step": ".nan"}, "7:11 ", "step must be finite, found nan"),
        ({"step": "2"}, "7:11 ", "step (2.0) is wider than the range 0.01 to 1.0"),
        ({"step": "1e-18"}, "7:11 ", "step (1e-18) is too fine to tell numbers up to 1.0 apart"),
        ({"step": "0.1", "log": "true"}, "7:11 ", "step cannot be combined with log: true"),
        ({"step": "0.2"}, "4:17 ", "init_value (0.1) is not on the grid greater_than + k * step"),
        ({"lgo": "true"}, "7:10 ", "key 'lgo' is unknown for type float; allowed: name, type, "
         "init_value, lower_than, greater_than, log, step, round_to, "
         "clip, distribution, only_if, path (did you mean 'log'?)"),
        ({"greater_then": "1"}, "7:19 ", "key 'greater_then' is unknown for type float"),
        ({"choices": "[1]"}, "7:14 ", "key 'choices' is unknown for type float"),
        ({"7": "1"}, "7:8 ", "key '7' is unknown for type float"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_float(changes: dict[str, str | None], place: str, why: str) -> None:
    (mistake,) = mistakes(float_with(**changes))
    assert mistake.startswith(place)
    assert f": {why}" in mistake


@pytest.mark.parametrize(
    ("keys", "parameter"),
    [
        ("type: float, init_value: 0, distribution: normal, mean: 1, deviation: 2",
         DrawnParameter("x", Normal(1.0, 2.0), 0.0)),
        ("type: float, init_value: 1, distribution: normal, mean: 1, deviation: 2, log: true",
         DrawnParameter("x", Normal(1.0, 2.0, log=True), 1.0)),
        ("type: float, init_value: 0.5, distribution: beta, a: 1, b: 2",
         DrawnParameter("x", Beta(1.0, 2.0), 0.5)),
        ("type: int, init_value: 3, distribution: normal, mean: 1, deviation: 2",
         QuantizedParameter("x", Normal(1.0, 2.0), 1.0, clip=False, init=3, type_name="int")),
        ("type: float, init_value: 3, distribution: normal, mean: 1, deviation: 2, round_to: 1.5",
         QuantizedParameter("x", Normal(1.0, 2.0), 1.5, clip=False, init=3.0)),
        ("type: float, init_value: 2, greater_than: 2, lower_than: 10, round_to: 5",
         QuantizedParameter("x", Uniform(2.0, 10.0), 5.0, clip=True, init=2.0)),
        ("type: int, init_value: 0, greater_than: 1.5, lower_than: 10, round_to: 5, clip: false",
         QuantizedParameter("x", Uniform(1.5, 10.0), 5.0, clip=False, init=0, type_name="int")),
        ("type: float, init_value: 2, greater_than: 2, lower_than: 10, distribution: uniform",
         FloatParameter("x", 2.0, 10.0, 2.0)),
        ("type: choice, choices: [a, b], probabilities: [0.9, 0.1], init_value: b",
         ChoiceParameter("x", ("a", "b"), "b", weights=(0.9, 0.1))),
        ("type: choice, choices: [[1], {a: 2}], init_value: {a: 2}",
         ChoiceParameter("x", ("[1]", "{'a': 2}"), "{'a': 2}", written=([1], {"a": 2}))),
        ("type: layer_choice, choices: [a, b], init_value: b",
         ChoiceParameter("x", ("a", "b"), "b", kind="layer_choice")),
        ("type: input_choice, choices: [a], n_chosen: [0, 1], init_value: null",
         ChoiceParameter("x", ("a", None), None, written=("a",), kind="input_choice")),
        ("type: constant, value: [1, {a: null}]",
         ChoiceParameter("x", ("[1, {'a': None}]",), "[1, {'a': None}]",
                         written=([1, {"a": None}],))),
        ("type: choice, choices: [1, 2], path: [outer, inner]",
         ChoiceParameter("x", (1, 2), 1, path=("outer", "inner"))),
    ],
)  # fmt: skip
def test_every_type_and_distribution_loads(keys: str, parameter: Parameter) -> None:
    assert repr(only(f"name: x, {keys}")) == repr(parameter)


def test_constants_are_no_parameters() -> None:
    space = read(f"param_list:\n- {{name: c, type: constant, value: 3}}\n- {{{FLOAT}}}\n")
    assert (space.dim, space.names, space.constants) == (1, ("lr", "c"), (Constant("c", 3),))


BETWEEN = "type: float, init_value: 0.5, greater_than: 0, lower_than: 1"
NORMAL = "type: float, init_value: 0, distribution: normal, mean: 0, deviation: 1"


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        (f"{BETWEEN}, distribution: nromal", "distribution 'nromal' is unknown; use one of: "
         "uniform, normal, beta (did you mean 'normal'?)"),
        (f"{BETWEEN}, distribution: [beta]", "distribution ['beta'] is unknown"),
        (f"{BETWEEN}, mean: 0", "key 'mean' is unknown for type float; allowed: name, type, init"),
        (f"{NORMAL}, step: 1", "key 'step' is unknown for distribution normal; allowed: name, "),
        (f"{NORMAL}, clip: true", "key 'clip' is unknown for distribution normal"),
        (NORMAL.replace("deviation: 1", "deviation: 0"), "deviation must be above 0, found 0.0"),
        (NORMAL.replace(", deviation: 1", ""), "deviation is missing; give a number"),
        (NORMAL.replace("init_value: 0, ", ""), "init_value is missing; give a number"),
        (NORMAL.replace("0,", ".nan,", 1), "init_value must be finite, found nan"),
        (f"{NORMAL}, log: 1", "log must be true or false, found 1"),
        (f"{NORMAL}, round_to: 0", "round_to must be above 0, found 0.0"),
        (f"{NORMAL}, round_to: null", "round_to must be a number, found None"),
        (f"{BETWEEN}, round_to: 0.2",
         "init_value (0.5) is not a multiple of round_to (0.2) in the range"),
        (f"{BETWEEN}, round_to: 0.5, step: 0.5",
         "step cannot be combined with round_to; leave out one of them"),
        (f"{BETWEEN}, round_to: 1e-17", "round_to (1e-17) is too fine to tell numbers up to 1.0 "),
        (f"{BETWEEN}, clip: false", "clip is only allowed with round_to; give both or neither"),
        (f"{BETWEEN}, round_to: 0.5, clip: 1", "clip must be true or false, found 1"),
        ("type: int, init_value: 2, greater_than: 0.5, lower_than: 9, round_to: 2",
         "bounds of type int must be whole numbers, or clip: false"),
        ("type: int, init_value: 2, greater_than: 0, lower_than: 9, round_to: 0.5",
         "round_to must be a whole number for type int, found 0.5"),
        ("type: float, init_value: 0.5, distribution: beta, a: 1, b: -1",
         "b must be above 0, found -1.0"),
        ("type: choice, choices: [a, b], probabilities: [1]",
         "probabilities must be a list of 2 numbers, one for each choice, found [1]"),
        ("type: choice, choices: [a, b], probabilities: [0, 1], init_value: a",
         "init_value 'a' must be one of the choices: 'b'"),
        ("type: layer_choice, choices: [a], n_chosen: 1",
         "key 'n_chosen' is unknown for type layer_choice"),
        ("type: input_choice, choices: [a], n_chosen: 3", "n_chosen must be 0, 1 or [0, 1]"),
        ("type: layer_choice, choices: [[a]]", "choices[0] must be a word or number"),
        ("type: constant", "value is missing"),
        ("type: constant, value: .inf", "value must be finite, found inf"),
        ("type: constant, value: 1, init_value: 1", "key 'init_value' is unknown for type const"),
        ("type: choice, choices: [1], path: x", "path must be a list of keys, found 'x'"),
        ("type: choice, choices: [1], path: []", "path must be a list of keys, found []"),
        ("type: choice, choices: [1], path: [1]", "path must be a list of keys, found [1]"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_distribution_or_a_special_choice(keys: str, why: str) -> None:
    (mistake,) = mistakes(f"param_list:\n- {{name: x, {keys}}}\n")
    assert mistake.startswith("2:")
    assert f"param_list[0] x: {why}" in mistake


@pytest.mark.parametrize(
    ("keys", "rival"),
    [
        ("type: constant, value: 1, path: [a]", "a"),
        ("type: constant, value: 1, path: [a, x]", "a"),
        ("type: constant, value: 1, path: [o]", "i"),
        ("type: constant, value: 1, path: [o, i, x]", "i"),
        ("type: choice, choices: [1], path: [o, i], only_if: {a: 2}", "i"),
        ("type: choice, choices: [1], path: [o, j, k], only_if: {a: 1}", "j"),
    ],
)
def test_two_values_for_one_place_are_refused(keys: str, rival: str) -> None:
    text = """\
param_list:
- {name: a, type: choice, choices: [1, 2]}
- {name: i, type: choice, choices: [1], path: [o, i]}
- {name: j, type: choice, choices: [1], path: [o, j], only_if: {a: 1}}
"""
    (mistake,) = mistakes(f"{text}- {{name: x, {keys}}}\n")
    assert mistake.startswith("5:3 x: its path [")
    assert mistake.endswith(f"is also that of {rival}")


def test_values_that_never_come_together_may_have_one_place() -> None:
    space = read("""\
param_list:
- {name: a, type: choice, choices: [1, 2]}
- {name: b, type: choice, choices: [3], path: [o], only_if: {a: 1}}
- {name: c, type: choice, choices: [4], path: [o, i], only_if: {a: 2}}
""")
    assert [space.nest(params) for params in space.configurations()] == [
        {"a": 1, "o": 3}, {"a": 2, "o": {"i": 4}},
    ]  # fmt: skip


CHOICE = "param_list:\n- {name: c, type: choice, choices: [sgd, 1]}\n"


@pytest.mark.parametrize(
    ("only_if", "why"),
    [
        (
            "sgd",
            "only_if must be one choice with its value or a list of its values, "
            "as in {optimizer: sgd}, found 'sgd'",
        ),
        ("{}", "only_if must be one choice with its value"),
        ("{c: sgd, d: 1}", "only_if must be one choice with its value"),
        ("{d: sgd}", "only_if names 'd', which must be a choice defined above"),
        ("{x: sgd}", "only_if names 'x', which must be a choice defined above"),
        ("{c: adam}", "'adam' is not a choice of c: 'sgd', 1"),
        ("{c: true}", "True is not a choice of c"),
        ("{c: [sgd, adam]}", "'adam' is not a choice of c: 'sgd', 1"),
        ("{c: []}", "[] is not a choice of c"),
    ],
)
def test_a_mistake_in_a_condition(only_if: str, why: str) -> None:
    (mistake,) = mistakes(f"{CHOICE}- {{{FLOAT}, only_if: {only_if}}}\n")
    assert mistake.startswith("3:")
    assert f"param_list[1] lr: {why}" in mistake


def test_a_name_that_stands_twice_takes_no_condition_along() -> None:
    text = f"{CHOICE}- {{{FLOAT}, only_if: {{c: 1}}}}\n- {{name: c, type: constant, value: 1}}\n"
    (mistake,) = mistakes(text)
    assert mistake == "4:10 param_list[2] c: 'c' appears twice; names must be unique"


def test_a_condition_on_a_faulty_choice_is_no_second_mistake() -> None:
    (mistake,) = mistakes(f"{CHOICE.replace('[sgd, 1]', '[]')}- {{{FLOAT}, only_if: {{c: sgd}}}}")
    assert "choices must be a list" in mistake


def test_a_condition_may_name_several_values() -> None:
    space = read(f"{CHOICE.replace('1]', '1, adam]')}- {{{FLOAT}, only_if: {{c: [adam, sgd]}}}}\n")
    assert [p.condition for p in space] == [None, Condition("c", (0, 2))]
    assert space.describe_one(space.parameters[1])["only_if"] == {"c": ["sgd", "adam"]}
    found = [space.decode((u, 0.5)) for u in (0.1, 0.5, 0.9)]
    assert ["lr" in params for params in found] == [True, False, True]


def test_a_list_among_the_choices_is_one_value_of_a_condition() -> None:
    choice = "param_list:\n- {name: c, type: choice, choices: [[1, 2], 1, 2]}\n"
    space = read(f"{choice}- {{{FLOAT}, only_if: {{c: [1, 2]}}}}\n")
    assert space.parameters[1].condition == Condition("c", (0,))
    space = read(f"{choice}- {{{FLOAT}, only_if: {{c: [2, 1]}}}}\n")
    assert space.parameters[1].condition == Condition("c", (1, 2))
    assert load_space(space.describe()) == space


def test_conditions_load() -> None:
    space = read(f"{CHOICE}- {{{FLOAT}, only_if: {{c: 1}}}}\n- {{{INT}, only_if: null}}\n")
    assert [p.condition for p in space] == [None, Condition("c", (1,)), None]


@pytest.mark.parametrize(
    ("changes", "line", "why"),
    [
        ({"lower_than": "64.5"}, 6, "lower_than must be a whole number for type int, found 64.5"),
        ({"greater_than": "1e-5"}, 5, "greater_than must be a whole number for type int"),
        ({"init_value": "32.1"}, 4, "init_value must be a whole number for type int, found 32.1"),
        ({"lower_than": "1e300"}, 6, "lower_than must be between -2^53 and 2^53, found 1e+300"),
        ({"greater_than": f"-{2**53 + 1}"}, 5, "greater_than must be between -2^53 and 2^53"),
        ({"lower_than": "1e400"}, 6, "lower_than must be finite, found inf"),
        ({"lower_than": "16"}, 5, "greater_than (16) must be below lower_than (16)"),
        ({"greater_than": "0", "log": "true"}, 5, "greater_than (0) must be above 0 with log"),
        ({"step": "0.5"}, 7, "step must be a whole number for type int, found 0.5"),
        ({"step": "49"}, 7, "step (49) is wider than the range 16 to 64"),
        ({"step": "10"}, 4, "init_value (32) is not on the grid greater_than + k * step"),
        ({"step": "16", "log": "true"}, 7, "step cannot be combined with log: true"),
    ],
)
def test_a_mistake_in_an_int(changes: dict[str, str | None], line: int, why: str) -> None:
    whole = {"type": "int", "init_value": "32", "greater_than": "16", "lower_than": "64"}
    (mistake,) = mistakes(float_with(**(whole | changes)))
    assert mistake.startswith(f"{line}:")
    assert f": {why}" in mistake


@pytest.mark.parametrize(
    ("keys", "mistake"),
    [
        ("", "2:3 param_list[0] c: choices must be a list with at least one value"),
        ("choices: []", "2:36 param_list[0] c: choices must be a list with at least one value"),
        ("choices: sgd", "choices must be a list with at least one value"),
        ("choices: {a: 1}", "choices must be a list with at least one value"),
        ("choices: [a, [.nan]]", "choices[1] must be finite, found nan"),
        ("choices: [a, {b: .inf}]", "choices[1] must be finite, found inf"),
        ("choices: [[1], [1]]", "choices[1] [1] appears twice"),
        ("choices: ['[1]', [1]]", "choices[1] [1] appears twice"),
        ("choices: [1.0, .nan]", "choices[1] must be finite, found nan"),
        ("choices: [.inf]", "choices[0] must be finite, found inf"),
        ("choices: [a, b, a]", "choices[2] 'a' appears twice"),
        ("choices: [1.0, 1, 1.00]", "choices[2] 1.0 appears twice"),
        ("choices: [~, null]", "choices[1] None appears twice"),
        ('choices: ["a\\0b"]', r"choices[0] 'a\x00b' cannot be an argument of a command"),
        ("choices: [1, 2], init_value: 3", "2:56 param_list[0] c: init_value 3 must be one of the "
                                           "choices: 1, 2"),
        ("choices: [1, 2], init_value: 1.0", "init_value 1.0 must be one of the choices: 1, 2"),
        ("choices: ['1'], init_value: 1", "init_value 1 must be one of the choices: '1'"),
        ("choices: [0, 1], init_value: true", "init_value True must be one of the choices: 0, 1"),
        ("choices: [1], init_value: [1]", "init_value [1] must be one of the choices: 1"),
        ("choices: [1], log: true", "key 'log' is unknown for type choice; allowed: name, type, "
                                    "init_value, choices, probabilities, only_if, path"),
        ("choices: [1], choice: [1]", "(did you mean 'choices'?)"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_choice(keys: str, mistake: str) -> None:
    (found,) = mistakes(f"param_list:\n- {{name: c, type: choice, {keys}}}\n")
    assert mistake in found


# --- mistakes of the whole file -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("", "1:1 the outermost key must be param_list, found: NoneType"),
        ("# nothing\n", "1:1 the outermost key must be param_list, found: NoneType"),
        ("hello", "1:1 the outermost key must be param_list, found: str"),
        ("- name: lr", "1:1 the outermost key must be param_list, found: list"),
        ("params: []\nx: 1", "1:1 the outermost key must be param_list, found: 'params', 'x'"),
        ('"\\e[2J": 1', r"1:1 the outermost key must be param_list, found: '\x1b[2J'"),
        ("param_list:", "1:12 param_list must be a list with at least one entry of name, type"),
        ("param_list: []", "1:13 param_list must be a list with at least one entry"),
        ("param_list: {name: lr}", "1:13 param_list must be a list with at least one entry"),
        ("param_list: [lr]", "1:14 param_list[0]: must be a mapping with name, type, init_value"),
        ("param_list:\n-\n", "param_list[0]: must be a mapping with name, type, init_value"),
        ("param_list: [[a]]", "1:14 param_list[0]: must be a mapping with name, type, init_value"),
        ("param_list: [", "1:14 not valid YAML: "),
    ],
)
def test_a_mistake_in_the_frame(text: str, mistake: str) -> None:
    (found,) = mistakes(text if text.endswith("\n") or "[" not in text else f"{text}\n")
    assert mistake in found


def test_a_second_outermost_key_is_a_mistake() -> None:
    text = f"param_list:\n- {{{FLOAT}}}\nparamlist: 3\n"
    assert mistakes(text) == ["3:12 key 'paramlist' is unknown here; only param_list is allowed"]


def test_a_name_stands_once() -> None:
    text = f"param_list:\n- {{{FLOAT}}}\n- {{{INT}}}\n- {{{FLOAT}}}\n"
    assert mistakes(text) == ["4:10 param_list[2] lr: 'lr' appears twice; names must be unique"]


def test_a_name_stands_once_even_if_the_first_entry_is_wrong() -> None:
    text = f"param_list:\n- {{{FLOAT.replace('float', 'flaot')}}}\n- {{{FLOAT}}}\n"
    assert [line[:4] for line in mistakes(text)] == ["2:20", "3:10"]


def test_all_mistakes_are_told_at_once() -> None:
    text = """\
param_list:
  - name: lr
    type: float
    init_value: abc
    greater_than: .nan
    lower_than:
    lgo: true
  - name: 1x
    type: int
    init_value: 1.5
    greater_than: 9
    lower_than: 3
  - just words
  - name: opt
    type: choise
  - name: sched
    type: choice
    choices: [a, a, .inf]
  - name: lr
    type: int
    init_value: 5
    greater_than: 9
    lower_than: 3
more: 1
"""
    assert mistakes(text) == [
        "24:7 key 'more' is unknown here; only param_list is allowed",
        "7:10 param_list[0] lr: key 'lgo' is unknown for type float; allowed: name, type, "
        "init_value, lower_than, greater_than, log, step, round_to, "
        "clip, distribution, only_if, path (did you mean 'log'?)",
        "5:19 param_list[0] lr: greater_than must be finite, found nan",
        "6:16 param_list[0] lr: lower_than must be a number, found None",
        "4:17 param_list[0] lr: init_value must be a number, found 'abc'",
        "8:11 param_list[1]: name '1x' cannot be an option; use letters, digits, '_', '.', '-', "
        "'/', '@', beginning with a letter or '_', at most 128 characters",
        "11:19 param_list[1]: greater_than (9) must be below lower_than (3)",
        "10:17 param_list[1]: init_value must be a whole number for type int, found 1.5",
        "13:5 param_list[2]: must be a mapping with name, type, init_value, ...",
        "15:11 param_list[3] opt: type 'choise' is unknown; use one of: float, int, choice, "
        "constant, layer_choice, input_choice (did you mean 'choice'?)",
        "18:18 param_list[4] sched: choices[1] 'a' appears twice",
        "18:21 param_list[4] sched: choices[2] must be finite, found inf",
        "22:19 param_list[5] lr: greater_than (9) must be below lower_than (3)",
        "19:11 param_list[5] lr: 'lr' appears twice; names must be unique",
    ]


# --- where it comes from ------------------------------------------------------------------------


def test_a_file_is_named_as_it_was_given(tmp_path: Path) -> None:
    path = tmp_path / "größe $(x).yaml"
    path.write_text("param_list: 3\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_space(path)
    assert caught.value.mistakes[0].startswith(f"{path}:1:13 param_list must be a list")
    path.write_text(f"param_list:\n- {{{INT}}}\n", encoding="utf-8")
    assert load_space(path) == load_space(str(path)) == read(f"param_list:\n- {{{INT}}}\n")


def test_a_missing_file_is_no_configuration_mistake(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read .*hparam\.yaml: No such file") as caught:
        load_space(tmp_path / "hparam.yaml")
    assert not isinstance(caught.value, ConfigError)


ENTRY: dict[str, Any] = {
    "name": "lr", "type": "float", "init_value": 0.1, "greater_than": 0, "lower_than": 1,
}  # fmt: skip


def test_a_dict_loads_like_a_file() -> None:
    assert list(load_space({"param_list": [ENTRY]})) == [FloatParameter("lr", 0.0, 1.0, 0.1)]
    assert load_space(UserDict({"param_list": [UserDict(ENTRY)]})).dim == 1


@pytest.mark.parametrize(
    "source",
    [
        {},
        {"param_list": None},
        {"param_list": [None, 3, "lr"]},
        {3: 4},
        {"param_list": [ENTRY], 7: 8},
        {"param_list": [{**ENTRY, 3: 4}]},
        {"param_list": [{**ENTRY, (1, 2): 4}]},
        {"param_list": [{**ENTRY, "lower_than": 10**400}]},
        {"param_list": [{**ENTRY, "type": "int", "lower_than": 10**400}]},
        {"param_list": [{**ENTRY, "lower_than": math.inf}]},
        {"param_list": [{**ENTRY, "lower_than": 1 + 2j}]},
        {"param_list": [{**ENTRY, "name": b"lr"}]},
        {"param_list": [{**ENTRY, "type": {}}]},
        {"param_list": [{"name": "c", "type": "choice", "choices": [object()]}]},
        {"param_list": [{"name": "c", "type": "choice", "choices": ["\ud800"]}]},
        {"param_list": [{"name": "c", "type": "choice", "choices": "abc"}]},
    ],
)
def test_a_mistake_in_a_dict_names_the_search_space(source: dict[Any, Any]) -> None:
    with pytest.raises(ConfigError, match=r"^search space has") as caught:
        load_space(source)
    assert all(mistake.startswith("search space ") for mistake in caught.value.mistakes)
