"""Slots from devices and cores: their names, their environments, and usage errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from autofinetune.config.placement import Placement
from autofinetune.core.slot import Slot
from autofinetune.errors import UsageError
from autofinetune.executors.devices.cards import Card
from autofinetune.executors.devices.slots import THREAD_VARIABLES, LocalSlot, Slots, find_slots

CARDS = [Card(n, f"GPU-{n}{n}", "H200") for n in range(4)]
CORES = range(8)


def slots(
    gpu: str, cards: Sequence[Card] | None = CARDS, cores: Sequence[int] = (), **placement: Any
) -> Slots:
    return find_slots(gpu, {}, cards, Placement(**placement), cores)


def names(found: Slots) -> list[str]:
    return [slot.name for slot in found.places]


def refusal(gpu: str, **fields: Any) -> tuple[str, str | None]:
    with pytest.raises(UsageError) as caught:
        slots(gpu, **fields)
    return caught.value.message, caught.value.tip


# --- devices ------------------------------------------------------------------------------------


def test_a_slot_shows_a_trial_its_own_card_only() -> None:
    (one, two) = slots("2,GPU-1").places
    assert one.env == {"CUDA_VISIBLE_DEVICES": "2", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert (one.name, one.cards, one.devices) == ("2", ("GPU-22",), ("GPU-22",))
    assert (two.name, two.visible, two.devices) == ("GPU-1", "GPU-1", ("GPU-11",))
    assert (one.cpus, one.ranks) == ((), 1)


def test_a_cpu_slot_hides_every_card_and_has_no_device() -> None:
    (slot,) = slots("cpu").places
    assert slot == LocalSlot(Slot("cpu:0"), {"CUDA_VISIBLE_DEVICES": ""})
    assert slot.devices == ()


def test_without_nvml_a_device_is_told_by_its_number() -> None:
    assert [slot.devices for slot in slots("0,1", cards=None).places] == [("0",), ("1",)]


def test_several_places_on_a_card_are_numbered_and_the_first_of_each_comes_first() -> None:
    found = slots("0,1", trials_per_gpu=2)
    assert names(found) == ["0.1", "1.1", "0.2", "1.2"]
    assert [slot.visible for slot in found.places] == ["0", "1", "0", "1"]
    assert [slot.name.device for slot in found.places] == ["0", "1", "0", "1"]
    assert names(slots("cpu:1", trials_per_gpu=3)) == ["cpu:0.1", "cpu:0.2", "cpu:0.3"]


def test_groups_are_taken_in_the_given_order() -> None:
    found = slots("3,1,0,2", gpus_per_trial=2)
    assert names(found) == ["3+1", "0+2"]
    assert [slot.visible for slot in found.places] == ["3,1", "0,2"]
    assert [slot.cards for slot in found.places] == [("GPU-33", "GPU-11"), ("GPU-00", "GPU-22")]
    assert [slot.ranks for slot in found.places] == [2, 2]
    assert [slot.ranks for slot in slots("0,1", gpus_per_trial=2, ranks_per_trial=1).places] == [1]


def test_groups_can_be_shared_and_can_be_of_processors() -> None:
    assert names(slots("0,1", gpus_per_trial=2, trials_per_gpu=2)) == ["0+1.1", "0+1.2"]
    (one, two) = slots("cpu:4", gpus_per_trial=2).places
    assert (one.name, two.name) == ("cpu:0+cpu:1", "cpu:2+cpu:3")
    assert one.env == {"CUDA_VISIBLE_DEVICES": ""}


def test_a_remainder_is_refused() -> None:
    assert refusal("0,1,2", gpus_per_trial=2) == (
        "--gpus_per_trial=2: the 3 devices of --gpu=0,1,2 cannot be divided into groups of 2; "
        "allowed here: 1, 3",
        "name a multiple of 2 devices, or another --gpus_per_trial",
    )
    assert "the 1 device of --gpu=cpu cannot" in refusal("cpu", gpus_per_trial=2)[0]
    assert "allowed here: 1, 2, 4" in refusal("auto", gpus_per_trial=8)[0]


def test_mig_instances_cannot_be_grouped() -> None:
    assert names(slots("MIG-1,MIG-2")) == ["MIG-1", "MIG-2"]
    assert "only one MIG instance" in refusal("MIG-1,MIG-2", gpus_per_trial=2)[0]


def test_no_more_trials_run_at_once_than_are_wanted() -> None:
    assert names(slots("0,1,2", max_parallel=2)) == ["0", "1"]
    assert names(slots("0,1", trials_per_gpu=2, max_parallel=3)) == ["0.1", "1.1", "0.2"]
    assert names(slots("cpu:2", max_parallel=9)) == ["cpu:0", "cpu:1"]
    found = slots("cpu:8", cores=CORES, cpus_per_trial=4, max_parallel=2)
    assert [slot.cpus for slot in found.places] == [(0, 1, 2, 3), (4, 5, 6, 7)]


# --- cores and threads --------------------------------------------------------------------------


def threads(found: Slots) -> set[str]:
    """Return the values of the thread variables of all slots."""
    return {slot.env.get(name, "") for slot in found.places for name in THREAD_VARIABLES}


def test_cores_are_divided_without_overlap() -> None:
    found = slots("0,1", cores=CORES, cpus_per_trial=3)
    assert [slot.cpus for slot in found.places] == [(0, 1, 2), (3, 4, 5)]
    assert threads(found) == {"3"}
    found = slots("cpu:2", cores=(1, 3, 5, 7), cpus_per_trial=1, trials_per_gpu=2)
    assert [slot.cpus for slot in found.places] == [(1,), (3,), (5,), (7,)]
    assert threads(found) == {"1"}


def test_more_cores_than_there_are_is_refused() -> None:
    assert refusal("0,1", cores=CORES, cpus_per_trial=5) == (
        "--cpus_per_trial=5 for 2 slots needs 10 cores, but only 8 may be used here",
        "use at most --cpus_per_trial=4 with these slots",
    )
    assert refusal("cpu", cores=(3,), cpus_per_trial=2)[0].startswith(
        "--cpus_per_trial=2 for 1 slot needs 2 cores, but only 1 may"
    )
    assert refusal("cpu:9", cores=CORES, cpus_per_trial=1)[1] == "use fewer slots"


def test_the_ranks_of_a_trial_share_its_threads() -> None:
    assert threads(slots("0,1", cores=CORES, gpus_per_trial=2, cpus_per_trial=8)) == {"4"}
    assert threads(slots("0,1", cores=CORES, gpus_per_trial=2, cpus_per_trial=1)) == {"1"}


@pytest.mark.parametrize(
    ("gpu", "placement", "expected"),
    [
        ("cpu:2", {}, "4"),
        ("cpu:3", {}, "2"),
        ("cpu:16", {}, "1"),
        ("cpu:1", {}, ""),
        ("cpu:1", {"trials_per_gpu": 2}, "4"),
        ("cpu:1", {"ranks_per_trial": 2}, "4"),
        ("cpu:4", {"gpus_per_trial": 2}, "2"),
    ],
)
def test_cpu_slots_divide_the_cores_among_their_threads(
    gpu: str, placement: dict[str, Any], expected: str
) -> None:
    found = slots(gpu, cores=CORES, **placement)
    assert threads(found) == {expected}
    assert {slot.cpus for slot in found.places} == {()}


def test_ids_without_a_driver_are_cpu_slots_and_cards_keep_their_threads() -> None:
    assert threads(slots("0,1", cards=None, cores=CORES)) == {"4"}
    assert threads(slots("0,1", cores=CORES)) == {""}
    assert threads(slots("cpu:2")) == {""}  # the cores are unknown


def test_what_the_user_has_set_stays() -> None:
    environ = {"OMP_NUM_THREADS": "7", "MKL_NUM_THREADS": ""}
    found = find_slots("cpu", environ, None, Placement(cpus_per_trial=2), CORES)
    (slot,) = found.places
    assert "OMP_NUM_THREADS" not in slot.env
    assert [slot.env[name] for name in THREAD_VARIABLES[1:]] == ["2", "2", "2"]


def test_slots_are_described() -> None:
    found = slots("0,1", cores=CORES, gpus_per_trial=2, trials_per_gpu=2, cpus_per_trial=4)
    assert list(found.describe()) == [
        "slot 0+1.1: devices 0,1, cores 0,1,2,3, 2 ranks",
        "slot 0+1.2: devices 0,1, cores 4,5,6,7, 2 ranks",
        "every process gets OMP_NUM_THREADS=2 MKL_NUM_THREADS=2 OPENBLAS_NUM_THREADS=2 "
        "NUMEXPR_NUM_THREADS=2",
    ]
    assert list(slots("cpu").describe()) == ["slot cpu:0: no card"]
