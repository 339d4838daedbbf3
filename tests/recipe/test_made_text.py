"""Text made on the spot."""

from __future__ import annotations

from autofinetune.recipe.made_text import CLEAN, JUNK, manual, samples
from autofinetune.recipe.process import chosen


def test_samples_are_those_of_the_seed_with_all_kinds_of_junk() -> None:
    clean = manual()
    assert len(clean) > 200
    found = samples(clean, 100, 0.4, seed=3)
    assert found == samples(clean, 100, 0.4, seed=3) != samples(clean, 100, 0.4, seed=4)
    kinds = [row["kind"] for row in found]
    assert {kind: kinds.count(kind) for kind in JUNK} == dict.fromkeys(JUNK, 8)
    assert all(row["text"] in clean for row in found if row["kind"] == CLEAN)


def test_smaller_shares_are_part_of_larger_ones() -> None:
    parts = [set(chosen(3000, share)) for share in (0.001, 0.01, 0.1, 1.0)]
    assert parts[0] <= parts[1] <= parts[2] <= parts[3]
    assert 250 < len(parts[2]) < 350
    assert len(parts[3]) == 3000
    assert len(chosen(3, 1e-9)) == 1
    assert chosen(0, 0.5) == []
