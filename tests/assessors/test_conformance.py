"""What every assessor in the table promises."""

from __future__ import annotations

import copy

import pytest

from autofinetune.assessors import ASSESSORS, Assessor, assessor_class, create_assessor
from autofinetune.core.curves import Curves
from autofinetune.errors import UsageError

from .helpers import add, curves_of

# The others judge by what a strategy says, see test_surrogate.py.
NAMES = sorted(name for name in ASSESSORS if not assessor_class(name).asks_strategy)
# With these, every one of them stops a hopeless trial.
EAGER: dict[str, dict[str, object]] = {
    "medianstop": {"min_completed": 1},
    "curvefitting": {"epoch_num": 27, "threshold": 1.0},
    "asha": {"min_steps": 9, "max_steps": 27},
    "hyperband": {"max_steps": 27, "s": 1, "eta": 3},
}
RISING = [0.9 - 0.5 / x for x in range(1, 28)]
HOPELESS = [0.1 - 0.05 / x for x in range(1, 10)]


def make(name: str, direction: str = "maximize", **options: object) -> Assessor:
    made = create_assessor(name, direction, {**EAGER[name], **options})
    assert made is not None
    return made


def world() -> Curves:
    return curves_of([RISING, RISING, RISING], [RISING[:12]])


@pytest.mark.parametrize("name", NAMES)
def test_a_hopeless_trial_is_stopped_and_the_best_is_not(name: str) -> None:
    curves = world()
    assert make(name).assess(add(curves, 10, HOPELESS), curves)
    curves = world()
    assert make(name).assess(add(curves, 10, [m + 0.05 for m in RISING[:9]]), curves) == ""


@pytest.mark.parametrize("name", NAMES)
def test_a_decision_is_made_of_the_curves_alone_and_changes_nothing(name: str) -> None:
    curves = world()
    curve = add(curves, 10, HOPELESS)
    before = copy.deepcopy(vars(curve))
    used = make(name)
    said = [used.assess(curve, curves) for _ in range(3)]
    assert set(said) == {make(name).assess(curve, curves)}
    assert vars(curve) == before


@pytest.mark.parametrize("name", NAMES)
def test_the_first_report_of_all_stops_nobody(name: str) -> None:
    curves = curves_of()
    assert make(name).assess(add(curves, 0, [0.0]), curves) == ""


@pytest.mark.parametrize("name", NAMES)
def test_a_reason_is_one_plain_line(name: str) -> None:
    curves = world()
    reason = make(name).assess(add(curves, 10, HOPELESS), curves)
    assert reason.isprintable()
    assert len(reason) < 80


@pytest.mark.parametrize("name", NAMES)
def test_the_direction_may_be_said_twice_but_not_be_two(name: str) -> None:
    make(name, "minimize", optimize_mode="minimize")
    with pytest.raises(UsageError, match="contradicts --direction=minimize"):
        make(name, "minimize", optimize_mode="maximize")


@pytest.mark.parametrize("name", NAMES)
def test_options_have_texts_and_defaults_that_are_allowed(name: str) -> None:
    for key, option in assessor_class(name).OPTIONS.items():
        assert option.text
        if option.default != "":
            assert create_assessor(name, "maximize", {key: option.default}) is not None


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_option_is_told_with_the_way_to_the_list(name: str) -> None:
    with pytest.raises(UsageError, match="has no option 'start_stepp'") as caught:
        make(name, start_stepp=1)
    assert caught.value.tip is not None
    assert "autofinetune assessors" in caught.value.tip


def test_the_settings_of_the_original_are_taken_as_they_are_spelled() -> None:
    make("medianstop", optimize_mode="maximize", start_step=0)
    make("curvefitting", optimize_mode="maximize", epoch_num=20, start_step=6, threshold=0.95,
         gap=1)  # fmt: skip


def test_none_stops_nothing_and_takes_no_options() -> None:
    assert create_assessor("none", "maximize") is None
    with pytest.raises(UsageError, match="without an assessor"):
        create_assessor("none", "maximize", {"eta": 3})
