"""Predictions for chains of trials: how they rise, and whether a bad start counts."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from autofinetune.surrogate import Chains, ChainScreen
from autofinetune.surrogate.chains import PARTS, SumProcess
from autofinetune.surrogate.gp import condition
from tests.helpers import space_of

Array = NDArray[np.float64]
SPACE = space_of("float", "float")
THETA = np.log([0.5, 0.7, 1.0, 1.3, 1e-4])


def chain_of(*points: tuple[float, float]) -> Chains:
    """A chain with one trial at each point."""
    found = Chains.unborn(1, 2)
    for number, point in enumerate(points):
        is_same = number > 0 and point == points[number - 1]
        found = found.continued(1) if is_same else found.changed(np.array([point]), 1)
    return found


def score(chain: Chains, share: float) -> float:
    """Rises with age towards a smooth function, less what earlier hyperparameters cost."""
    values = -((chain.x - 0.4) ** 2).sum(-1) * 4.0
    weights = chain.trials / chain.ages[:, None]
    mixed = (1.0 - share) * values[0, 0] + share * float((weights * values)[0].sum())
    return float(mixed - 2.0 / chain.ages[0])


def taught(share: float, changed: int = 12) -> ChainScreen:
    rng = np.random.default_rng(1)
    screen = ChainScreen(SPACE)

    def add(chain: Chains, before: Chains | None, is_changed: bool) -> None:
        earlier = None if before is None else score(before, share)
        screen.add(chain, score(chain, share), earlier, is_changed)

    for number in range(12):
        chain = chain_of((rng.random(), rng.random()))
        add(chain, None, is_changed=False)
        for _ in range(3):
            before, chain = chain, chain.continued(1)
            add(chain, before, is_changed=False)
        if number < changed:
            add(chain.changed(rng.random((1, 2)), 1), chain, is_changed=True)
    screen.begin(Chains.unborn(0, 2))
    return screen


def test_a_chain_knows_its_latest_hyperparameters_and_the_mean_of_earlier_ones() -> None:
    chain = chain_of((0.0, 0.0), *[(n / 10, 1.0) for n in (1, 3, 5, 5, 7)])
    assert chain.ages.tolist() == [6.0]
    assert chain.x[0, :, 0] == pytest.approx([0.7, 0.5, 0.3, 0.05])
    assert chain.trials.tolist() == [[1.0, 2.0, 1.0, 2.0]]
    assert chain.weights(0.0).tolist() == [[1.0, 0.0, 0.0, 0.0]]
    assert chain.weights(0.6).sum() == pytest.approx(1.0)


def test_for_chains_without_a_change_it_is_the_process_of_points() -> None:
    rng = np.random.default_rng(2)
    chains = Chains.unborn(8, 2).changed(rng.random((8, 2)), 1).continued(2)
    y = rng.standard_normal(8)
    points = condition(chains.means(1.0), y, THETA)
    new = Chains.unborn(5, 2).changed(rng.random((5, 2)), 3)
    for share in (0.0, 0.5, 1.0):
        found = SumProcess(chains, y, THETA, share).predict(new)
        wanted = points.predict(new.means(1.0))
        assert np.allclose(found, wanted)


def test_a_mixture_has_the_mean_and_the_variance_of_its_parts() -> None:
    rng = np.random.default_rng(3)
    known = Chains.unborn(6, 2).changed(rng.random((6, 2)), 1).continued(1)
    y = rng.standard_normal(6)
    mixed = chain_of((0.1, 0.2), (0.9, 0.3))
    process = SumProcess(known, y, THETA, 1.0)
    mean, deviation = process.predict(mixed)
    ends = Chains.unborn(2, 2).changed(np.array([[0.1, 0.2], [0.9, 0.3]]), 2)
    assert mean == pytest.approx(process.predict(ends)[0].mean())
    points = condition(known.means(1.0), y, THETA)
    rows = ends.means(1.0)
    assert deviation**2 == pytest.approx(points.covariance(rows, rows).mean())


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_it_learns_whether_a_bad_start_counts_to_the_end(share: float) -> None:
    assert max(taught(share).shares.items(), key=lambda one: one[1])[0] == share
    assert taught(share, changed=0).shares == pytest.approx({0.0: 1 / 3, 0.5: 1 / 3, 1.0: 1 / 3})


def test_it_expects_that_scores_go_on_rising_less_and_less() -> None:
    screen = taught(1.0)
    start = Chains.unborn(1, 2).changed(np.array([[0.4, 0.4]]), 1)
    merits = [float(screen.expected(start.continued(more))[0]) for more in (0, 1, 3, 7)]
    assert merits == pytest.approx([-2.0, -1.0, -0.5, -0.25], abs=0.2)


def test_what_is_pending_promises_no_more() -> None:
    screen = taught(1.0)
    good = Chains.unborn(1, 2).changed(np.array([[0.4, 0.4]]), 8)
    before = float(screen.promise(good)[0])
    screen.begin(good)
    assert float(screen.promise(good)[0]) < before - 1.0


def test_failed_trials_and_equal_scores_are_no_problem() -> None:
    screen = ChainScreen(SPACE)
    chain = chain_of((0.5, 0.5))
    screen.add(chain, np.nan, None, is_changed=False)
    screen.begin(chain)
    assert np.isfinite(screen.promise(chain.continued(PARTS))).all()
    for merit in (1.0, 1.0, np.nan):
        screen.add(chain, merit, None, is_changed=False)
    screen.begin(chain.continued(1))
    assert np.isfinite(screen.promise(chain)).all()
    assert np.isfinite(screen.expected(chain)).all()
