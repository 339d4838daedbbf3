"""Slots have names that lead back to them."""

from __future__ import annotations

import copy
import json

import pytest

from autofinetune.core.slot import NOWHERE, Slot


@pytest.mark.parametrize(
    ("slot", "name"),
    [
        (Slot("0"), "0"),
        (Slot("0", 2), "0.2"),
        (Slot("0+1", 1), "0+1.1"),
        (Slot("cpu:3"), "cpu:3"),
        (Slot("MIG-GPU-1a2b/1/0"), "MIG-GPU-1a2b/1/0"),
        (Slot("0", 2, "node1"), "0.2@node1"),
        (Slot("cpu:0", node="a.cluster.org"), "cpu:0@a.cluster.org"),
        (NOWHERE, ""),
    ],
)
def test_a_slot_is_read_back_from_its_name(slot: Slot, name: str) -> None:
    assert slot == name
    assert json.loads(json.dumps({"slot": slot})) == {"slot": name}
    for again in (Slot.read(name), copy.deepcopy(slot)):
        assert again == slot
        assert (again.device, again.place, again.node) == (slot.device, slot.place, slot.node)


@pytest.mark.parametrize("text", ["", "@", ".", "0.", ".1", "0.01", "a@b@c", "\n", "0.1.2"])
def test_any_text_is_a_name(text: str) -> None:
    assert isinstance(Slot.read(text), Slot)


def test_places_on_the_same_device() -> None:
    assert Slot("0", 1).shares_device(Slot("0", 2))
    assert Slot("0").shares_device(Slot("0", 1))
    assert not Slot("0", 1).shares_device(Slot("1", 1))
    assert not Slot("0", node="a").shares_device(Slot("0", node="b"))
    assert not Slot("0").shares_device(NOWHERE)


def test_a_slot_on_a_node_is_for_people() -> None:
    assert Slot("slurm", 2).on("w1") == "slurm.2@w1"
    assert Slot("slurm", 2).on("") == "slurm.2"


def test_slots_with_a_device_in_common() -> None:
    assert Slot("0+1", 2).touches(Slot("1"))
    assert not Slot("0+1").touches(Slot("2+3"))
    assert not Slot("0", node="a").touches(Slot("0", node="b"))
