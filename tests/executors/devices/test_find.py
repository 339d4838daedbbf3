"""What `--gpu` means, on machines with and without cards."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from autofinetune.errors import UsageError
from autofinetune.executors.devices.cards import Card
from autofinetune.executors.devices.find import Devices, find_devices

GIB = 1 << 30
CARDS = [
    Card(0, "GPU-aaaa1111-0000", "H200", 0, 140 * GIB),
    Card(1, "GPU-aaaa2222-0000", "H200", 0, 140 * GIB),
    Card(2, "GPU-bbbb3333-0000", "H200", 90 * GIB, 140 * GIB),
    Card(3, "GPU-cccc4444-0000", "H200", 200 << 20, 140 * GIB),
]


def devices(gpu: str, mask: str | None = None, cards: Sequence[Card] | None = CARDS) -> Devices:
    environ = {} if mask is None else {"CUDA_VISIBLE_DEVICES": mask}
    return find_devices(gpu, environ, cards)


def names(found: Devices) -> list[str]:
    return [device.name for device in found.each]


def visible(found: Devices) -> list[str]:
    return [device.visible for device in found.each]


def refusal(gpu: str, mask: str | None = None, cards: Sequence[Card] | None = CARDS) -> str:
    with pytest.raises(UsageError) as caught:
        devices(gpu, mask, cards)
    return caught.value.message


# --- with cards ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gpu", "mask", "expected"),
    [
        ("0", None, ["0"]),
        ("0,1", None, ["0", "1"]),
        ("3,1,2", None, ["3", "1", "2"]),
        (" 0,1 ", None, ["0", "1"]),
        ("00,01", None, ["0", "1"]),
        ("GPU-bbbb3333-0000", None, ["GPU-bbbb3333-0000"]),
        ("GPU-b", None, ["GPU-b"]),
        ("0,GPU-c", None, ["0", "GPU-c"]),
        ("MIG-1234", None, ["MIG-1234"]),
        ("MIG-GPU-aaaa/1/0,MIG-GPU-aaaa/2/0", None, ["MIG-GPU-aaaa/1/0", "MIG-GPU-aaaa/2/0"]),
        ("auto", None, ["0", "1", "2", "3"]),
        # Within an outer CUDA_VISIBLE_DEVICES, cards are numbered as in CUDA.
        ("0,1", "2,3", ["2", "3"]),
        ("1", "3, 1 ,0", ["1"]),
        ("0", "GPU-bbbb", ["GPU-bbbb"]),
        ("0,1", "MIG-1,MIG-2", ["MIG-1", "MIG-2"]),
        ("GPU-b", "2,3", ["GPU-b"]),
        ("GPU-bbbb3333-0000", "GPU-b", ["GPU-bbbb3333-0000"]),
        ("MIG-1", "MIG-1", ["MIG-1"]),
        ("auto", "2,0", ["2", "0"]),
        ("auto:3", "2,0", ["2", "0"]),
        ("auto", "MIG-1,MIG-2", ["MIG-1", "MIG-2"]),
        # CUDA stops at the first invalid entry.
        ("0", "1,,2", ["1"]),
        ("auto", "3,-1,0", ["3"]),
        ("auto", "3,x,0", ["3"]),
        ("auto", "1,²", ["1"]),
    ],
)
def test_each_device_is_shown_to_cuda_as_it_must_be(
    gpu: str, mask: str | None, expected: list[str]
) -> None:
    found = devices(gpu, mask)
    assert visible(found) == expected
    assert found.are_cards


def test_a_device_is_named_as_the_card_was_typed() -> None:
    assert names(devices("1,0", "2,3")) == ["1", "0"]
    assert names(devices("GPU-b,03")) == ["GPU-b", "3"]
    assert names(devices("auto", "2,3")) == ["2", "3"]


def test_the_outer_mask_is_kept_to() -> None:
    assert "CUDA_VISIBLE_DEVICES=2,3 leaves 2 card(s), numbered from 0" in refusal("2", "2,3")
    assert "CUDA_VISIBLE_DEVICES= leaves 0 card(s)" in refusal("0", "")
    assert "leaves 0 card(s)" in refusal("0", "-1")
    assert "leaves 0 card(s)" in refusal("0", "NoDevFiles")
    assert refusal("GPU-c", "0,1") == "--gpu=GPU-c is hidden by CUDA_VISIBLE_DEVICES=0,1"
    assert refusal("auto", "GPU-a,3").startswith("--gpu=GPU-a fits several cards")
    assert refusal("MIG-2", "MIG-1") == "--gpu=MIG-2 is hidden by CUDA_VISIBLE_DEVICES=MIG-1"


@pytest.mark.parametrize(
    ("gpu", "mistake"),
    [
        ("", "an empty entry in --gpu="),
        ("   ", "an empty entry in --gpu="),
        (",", "an empty entry in --gpu=,"),
        ("0,", "an empty entry in --gpu=0,"),
        ("0,,1", "an empty entry in --gpu=0,,1"),
        ("-1", "'-1' in --gpu=-1 is not a device"),
        ("0, 1", "' 1' in --gpu=0, 1 is not a device"),
        ("0 1", "'0 1' in --gpu=0 1 is not a device"),
        ("0;1", "'0;1' in --gpu=0;1 is not a device"),
        ("all", "'all' in --gpu=all is not a device"),
        ("1.0", "'1.0' in --gpu=1.0 is not a device"),
        ("²", "'²' in --gpu=² is not a device"),
        ("٣", "'٣' in --gpu=٣ is not a device"),
        ("GPU-", "'GPU-' in --gpu=GPU- is not a device"),
        ("GPU-a$(id)", "'GPU-a$(id)' in --gpu=GPU-a$(id) is not a device"),
        ("gpu-aaaa1111-0000", "'gpu-aaaa1111-0000' in --gpu=gpu-aaaa1111-0000 is not a device"),
        ("0,cpu", "'cpu' in --gpu=0,cpu is not a device"),
        ("auto,0", "'auto' in --gpu=auto,0 is not a device"),
        ("cpu:", "'cpu:' in --gpu=cpu: is not a device"),
        ("cpu:-1", "'cpu:-1' in --gpu=cpu:-1 is not a device"),
        ("cpu:x", "'cpu:x' in --gpu=cpu:x is not a device"),
        ("cpu:99999", "'cpu:99999' in --gpu=cpu:99999 is not a device"),
        ("cpu:0", "--gpu=cpu:0 has no slots; use at least cpu:1"),
        ("cpu:000", "--gpu=cpu:0 has no slots; use at least cpu:1"),
        ("0,0", "--gpu=0,0 names device 0 twice"),
        ("1,01", "--gpu=1,01 names device 1 twice"),
        ("GPU-b,GPU-b", "--gpu=GPU-b,GPU-b names device GPU-b twice"),
    ],
)
def test_what_is_no_device(gpu: str, mistake: str) -> None:
    for cards in (CARDS, [], None):
        assert refusal(gpu, cards=cards).startswith(mistake)


@pytest.mark.parametrize(
    ("gpu", "mistake"),
    [
        ("99", "--gpu=99 does not exist; there are: 0 (H200, GPU-aaaa1111-0000), 1 (H200, "),
        ("GPU-d", "--gpu=GPU-d does not exist; there are: 0 (H200"),
        ("GPU-a", "--gpu=GPU-a fits several cards; there are: 0 (H200"),
        ("2,GPU-b", "--gpu names one card twice: 2 and GPU-b"),
        ("GPU-bb,GPU-b", "--gpu names one card twice: GPU-bb and GPU-b"),
    ],
)
def test_what_is_no_card_here(gpu: str, mistake: str) -> None:
    assert refusal(gpu).startswith(mistake)


def test_one_card_through_the_mask_is_one_card() -> None:
    assert refusal("0,GPU-b", "2") == "--gpu names one card twice: 0 and GPU-b"
    assert refusal("auto", "1,1") == "--gpu names one card twice: 1 and 1"


def test_a_driver_without_cards_says_so() -> None:
    assert refusal("0", cards=[]) == "--gpu=0 does not exist; there are: none"


def test_a_card_in_use_is_told() -> None:
    assert devices("0,2,3").notes == (
        "card 2 (H200): 90.0 of 140.0 GiB are in use by others",
    )  # fmt: skip
    assert devices("0", "2").notes == ("card 0 (H200): 90.0 of 140.0 GiB are in use by others",)


# --- without cards ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gpu", "expected"),
    [("cpu", ["cpu:0"]), ("cpu:1", ["cpu:0"]), ("cpu:4", ["cpu:0", "cpu:1", "cpu:2", "cpu:3"])],
)
@pytest.mark.parametrize("cards", [CARDS, [], None])
@pytest.mark.parametrize("mask", [None, "", "2,3"])
def test_on_the_processor_every_card_is_hidden(
    gpu: str, expected: list[str], cards: list[Card] | None, mask: str | None
) -> None:
    found = devices(gpu, mask, cards)
    assert names(found) == expected
    assert set(visible(found)) == {""}
    assert found.notes == ()


@pytest.mark.parametrize(
    ("mask", "cards"),
    [(None, None), (None, []), ("0,1", None), ("", CARDS), ("-1", CARDS), ("NoDevFiles", CARDS)],
)
def test_auto_without_a_visible_card_is_one_cpu_slot(
    mask: str | None, cards: list[Card] | None
) -> None:
    found = devices("auto", mask, cards)
    assert names(found) == ["cpu:0"]
    assert found.notes == (
        "no NVIDIA card is visible: trials run on the CPU (--gpu=cpu:N gives more slots)",
    )
    assert names(devices("auto:2", mask, cards)) == ["cpu:0", "cpu:1"]


@pytest.mark.parametrize(
    ("gpu", "mask", "expected"),
    [
        ("0,1", None, ["0", "1"]),
        ("7", None, ["7"]),
        ("GPU-x,MIG-y", None, ["GPU-x", "MIG-y"]),
        ("0,1", "2,3", ["2", "3"]),
        ("0,5", "2,3", ["2", "5"]),
        ("0", "", ["0"]),
    ],
)
def test_the_same_command_runs_without_a_driver(
    gpu: str, mask: str | None, expected: list[str]
) -> None:
    found = devices(gpu, mask, None)
    assert names(found) == gpu.split(",")
    assert visible(found) == expected
    (note,) = found.notes
    assert note == f"no NVIDIA driver found: trials of --gpu={gpu} run on the CPU"
    assert not found.are_cards
