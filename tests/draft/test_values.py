"""Values of expressions that are not run."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from autofinetune.draft.option import UNKNOWN
from autofinetune.draft.values import constants, value_of

NAMES = {"LR": 0.1, "SIZES": {"s": 1, "m": 2}}


def value(text: str) -> Any:
    return value_of(ast.parse(text, mode="eval").body, NAMES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e-3*2", 0.002), ("-1", -1), ("2**5", 32), ("5 * 8", 40), ("7 // 2", 3), ("None", None),
        ("True", True), ("'a' + 'b'", "ab"), ("[1] + [2]", [1, 2]), ("LR", 0.1),
        ("SIZES['m']", 2), ("SIZES.keys()", ["s", "m"]), ("list(SIZES)", ["s", "m"]),
        ("int(1e6)", 1_000_000), ("range(3)", [0, 1, 2]), ("{'a': f, 'b': g}.keys()", ["a", "b"]),
    ],
)  # fmt: skip
def test_constants_are_computed(text: str, expected: object) -> None:
    assert value(text) == expected
    assert type(value(text)) is type(expected)


@pytest.mark.parametrize(
    "text",
    ["os.cpu_count()", "x", "1 / 0", "9 ** 9 ** 9", "10 ** 399", "f'{LR}'", "[x]", "SIZES['l']",
     "range(10**9)", "float('nan')", "b'x'", "1 if LR else 2", "'a' * 9", "int('x')", "-'a'"],
)  # fmt: skip
def test_anything_else_is_unknown(text: str) -> None:
    assert value(text) is UNKNOWN


def test_a_name_that_is_assigned_twice_is_no_constant() -> None:
    tree = ast.parse("A = 1\nB = A + 1\nC: float = 2.5\nA = 3\nD, E = 1, 2\nF = f()")
    assert constants(tree) == {"B": 2, "C": 2.5}
