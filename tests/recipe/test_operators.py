"""The table of operators."""

from __future__ import annotations

import math
from typing import Any

import pytest

from autofinetune.recipe.operators import Argument, domain, known, names


def test_a_filter_has_thresholds_with_their_statistics() -> None:
    shape = known("image_shape_filter")
    assert shape is not None
    found = {key: (one.side, shape.stat(one, {})) for key, one in shape.thresholds.items()}
    assert found == {
        "min_width": ("lower", "image_width"),
        "max_width": ("upper", "image_width"),
        "min_height": ("lower", "image_height"),
        "max_height": ("upper", "image_height"),
    }
    assert shape.arguments["min_width"].type == "int"
    assert {"text_key", "any_or_all", "reversed_range"} <= set(shape.arguments)


@pytest.mark.parametrize(
    ("given", "stat"), [({}, "alnum_ratio"), ({"tokenization": True}, "alpha_token_ratio")]
)
def test_a_flag_may_choose_the_statistic(given: dict[str, Any], stat: str) -> None:
    alphanumeric = known("alphanumeric_filter")
    assert alphanumeric is not None
    assert alphanumeric.stat(alphanumeric.thresholds["min_ratio"], given) == stat


def test_a_field_of_the_user_is_no_known_statistic() -> None:
    numeric = known("specified_numeric_field_filter")
    assert numeric is not None
    assert numeric.stat(numeric.thresholds["min_value"], {"field_key": "a"}) is None


def test_the_table_is_whole() -> None:
    assert len(names()) > 200
    assert known("no_such_filter") is None
    thresholds = 0
    for name in names():
        operator = known(name)
        assert operator is not None
        thresholds += len(operator.thresholds)
        assert not {"min_closed_interval", "max_closed_interval"} & set(operator.thresholds)
        for threshold in operator.thresholds.values():
            assert set(operator.arguments) >= {threshold.argument}
            for stat in threshold.stats:
                assert domain(stat) != (-math.inf, math.inf) or stat == "audio_nmf_snr"
    assert thresholds > 80


INT, UNIT = Argument("int"), Argument("float", least=0.0, most=1.0)
POSITIVE = Argument("int", least=0.0, is_open=True)


@pytest.mark.parametrize(
    ("argument", "value", "cast"),
    [(INT, 3.0, 3), (INT, 3, 3), (UNIT, 1, 1.0), (POSITIVE, 1.0, 1), (Argument(), [1], [1]),
     (Argument("str"), "a", "a"), (Argument("int", is_optional=True), None, None)],
)  # fmt: skip
def test_values_get_the_type_of_the_argument(argument: Argument, value: Any, cast: Any) -> None:
    found = argument.cast(value)
    assert (found, type(found)) == (cast, type(cast))


@pytest.mark.parametrize(
    ("argument", "value", "why"),
    [(INT, 3.5, "must be an int"), (INT, True, "must be an int"), (INT, math.inf, "an int"),
     (UNIT, 1.5, "at least 0 and at most 1"), (POSITIVE, 0, "above 0"), (UNIT, "x", "a float"),
     (Argument("bool"), 1, "must be a bool"), (Argument("str"), 1, "must be a str")],
)  # fmt: skip
def test_what_the_parser_would_refuse_is_refused(argument: Argument, value: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        argument.cast(value)
