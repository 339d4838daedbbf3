"""Successive halving: rungs, and which trials pass them."""

from __future__ import annotations

from itertools import islice

from autofinetune.assessors import create_assessor
from autofinetune.assessors.halving import ASHA, geometric
from autofinetune.core.curves import Curves

from .helpers import add, curves_of


def asha(**options: object) -> ASHA:
    made = create_assessor("asha", "maximize", options)
    assert isinstance(made, ASHA)
    return made


def rungs(assessor: ASHA, curves: Curves, count: int = 5) -> list[int]:
    return list(islice(assessor.rungs(0, curves), count))


def test_rungs_are_powers_of_eta_below_the_end() -> None:
    assert rungs(asha(min_steps=1, max_steps=81, eta=3), Curves()) == [1, 3, 9, 27]
    assert rungs(asha(min_resource=2, max_t=20, reduction_factor=2), Curves()) == [2, 4, 8, 16]
    assert rungs(asha(min_steps=1), Curves()) == [1, 3, 9, 27, 81]
    assert list(geometric(1, 1.5, 6)) == [1, 2, 3, 5]


def test_without_a_first_rung_it_is_a_twelfth_of_a_whole_training() -> None:
    assert rungs(asha(), Curves()) == []
    assert rungs(asha(), curves_of([[0.1] * 52])) == [4, 12, 36]
    assert rungs(asha(max_steps=27), Curves()) == [2, 6, 18]
    assert rungs(asha(), curves_of([[0.1] * 3])) == [1]


def test_the_best_third_passes_and_the_first_one_always() -> None:
    assessor = asha(min_steps=1, max_steps=9, eta=3)
    curves = Curves()
    verdicts = []
    for trial, merit in enumerate([0.5, 0.4, 0.6, 0.3, 0.59, 0.58, 0.6, 0.1, 0.585]):
        verdicts.append(assessor.assess(add(curves, trial, [merit]), curves) == "")
    assert verdicts == [True, False, True, False, False, False, True, False, False]


def test_a_trial_is_judged_where_it_crosses_a_rung_and_nowhere_else() -> None:
    assessor = asha(min_steps=2, max_steps=100)
    curves = curves_of([[0.9] * 10])
    assert assessor.assess(add(curves, 5, [0.1]), curves) == ""
    assert "rung 2" in assessor.assess(add(curves, 5, [0.1, 0.1]), curves)
    assert assessor.assess(add(curves, 5, [0.1, 0.1, 0.1]), curves) == ""
    late = curves.begin(6)
    late.add(1, 0.1)
    late.add(30, 0.1)  # passes three rungs at once
    assert "rung 2" in assessor.assess(late, curves)


def test_what_counts_is_the_first_report_at_or_after_the_rung() -> None:
    assessor = asha(min_steps=3, max_steps=100)
    curves = Curves()
    other = curves.begin(0)
    other.add(1, 0.0)
    other.add(5, 0.5)
    other.add(6, 0.99)
    curve = curves.begin(1)
    curve.add(1, 0.0)
    curve.add(4, 0.6)
    assert assessor.assess(curve, curves) == ""
