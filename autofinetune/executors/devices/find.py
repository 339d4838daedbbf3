"""Finds the devices that `--gpu` names, each with its value for CUDA_VISIBLE_DEVICES.

Card numbers count within an outer CUDA_VISIBLE_DEVICES, as in CUDA itself. NVML lists cards in PCI
bus order, so trials get CUDA_DEVICE_ORDER=PCI_BUS_ID.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from autofinetune.errors import Mistake, UsageError
from autofinetune.executors.devices.cards import Card

_DEVICE = re.compile(r"([0-9]+|(GPU|MIG)-[0-9A-Za-z/-]+)\Z")
_CPU = re.compile(r"cpu(?::([0-9]{1,4}))?\Z")
_AUTO = re.compile(r"auto(?::([0-9]{1,7}))?\Z")
_BUSY_BYTES = 256 << 20  # a driver may use up to this much of an idle card itself
_EXAMPLES = "write for instance --gpu=0,1  --gpu=GPU-5a1b...  --gpu=auto  --gpu=cpu:4"


@dataclass(frozen=True)
class Device:
    """One entry of `--gpu`.

    `visible` is its value for CUDA_VISIBLE_DEVICES, empty for the CPU; `card` is what NVML lists
    for it.
    """

    name: str
    visible: str = ""
    card: Card | None = None


@dataclass(frozen=True)
class Devices:
    """All devices of a run, with notes for the user.

    `are_cards` is false where trials run on the CPU, whatever the devices are called.
    """

    each: tuple[Device, ...]
    notes: tuple[str, ...] = ()
    are_cards: bool = False


def find_devices(gpu: str, environ: Mapping[str, str], cards: Sequence[Card] | None) -> Devices:
    """Return the devices that `--gpu` names, in the given order.

    Args:
        gpu: numbers and UUIDs separated by commas, `cpu`, `cpu:N`, `auto`, or `auto:N` for N CPU
            slots where there is no card.
        environ: the environment of the tuner, for an outer CUDA_VISIBLE_DEVICES.
        cards: what NVML lists, None without an NVIDIA driver.

    Raises:
        UsageError: an entry is not a device, is named twice, or does not exist here.
    """
    word = gpu.strip()
    cpu = _CPU.match(word)
    if cpu:
        return _processor(int(cpu[1] or 1), ())
    outer = _outer_mask(environ)
    auto = _AUTO.match(word)
    if auto:
        return _auto(outer, cards, int(auto[1] or 1))
    tokens = _tokens(word)
    if cards is None:
        return _without_driver(tokens, outer)
    return _on_cards([_resolved(token, cards, outer) for token in tokens])


def _processor(count: int, notes: tuple[str, ...]) -> Devices:
    if count < 1:
        raise UsageError(Mistake("gpu", "has no slots; use at least cpu:1", "cpu:0"))
    return Devices(tuple(Device(f"cpu:{index}") for index in range(count)), notes)


def _outer_mask(environ: Mapping[str, str]) -> list[str] | None:
    mask = environ.get("CUDA_VISIBLE_DEVICES")
    if mask is None:
        return None
    # CUDA ignores the first invalid entry and everything after it.
    return list(takewhile(_DEVICE.match, map(str.strip, mask.split(","))))


def _tokens(gpu: str) -> list[str]:
    tokens = gpu.split(",")
    for token in tokens:
        if not _DEVICE.match(token):
            shown = f"{token!r} in --gpu={gpu}" if token else f"an empty entry in --gpu={gpu}"
            raise UsageError(
                f"{shown} is not a device; card numbers, GPU-... or MIG-... ids without spaces, "
                "cpu, cpu:N, auto and auto:N are allowed",
                _EXAMPLES,
            )
    tokens = [str(int(token)) if token.isdigit() else token for token in tokens]
    for index, device in enumerate(tokens):
        if device in tokens[:index]:
            raise UsageError(Mistake("gpu", f"names device {device} twice; name each once", gpu))
    return tokens


def _auto(outer: list[str] | None, cards: Sequence[Card] | None, slots: int) -> Devices:
    visible = outer if outer is not None else [str(card.index) for card in cards or ()]
    if not cards or not visible:
        note = "no NVIDIA card is visible: trials run on the CPU (--gpu=cpu:N gives more slots)"
        return _processor(slots, (note,))
    return _on_cards([_resolved(token, cards, None) for token in visible])


def _without_driver(tokens: Sequence[str], outer: list[str] | None) -> Devices:
    """Use the ids as names of CPU slots, so that the command also works without cards."""
    devices = []
    for token in tokens:
        inner = token
        if outer is not None and token.isdigit() and int(token) < len(outer):
            inner = outer[int(token)]
        devices.append(Device(token, inner))
    note = f"no NVIDIA driver found: trials of --gpu={','.join(tokens)} run on the CPU"
    return Devices(tuple(devices), (note,))


def _on_cards(devices: Sequence[Device]) -> Devices:
    notes = []
    by_card: dict[str, str] = {}
    for device in devices:
        card = device.card
        key = card.uuid if card else device.visible
        if key in by_card:
            why = f"names one card twice: {by_card[key]} and {device.name}"
            raise UsageError(Mistake("gpu", why))
        by_card[key] = device.name
        if card and card.used_bytes > _BUSY_BYTES:
            notes.append(
                f"card {device.name} ({card.name}): {_gib(card.used_bytes)} of "
                f"{_gib(card.total_bytes)} GiB are in use by others"
            )
    return Devices(tuple(devices), tuple(notes), are_cards=True)


def _resolved(token: str, cards: Sequence[Card], outer: list[str] | None) -> Device:
    """Return the device that a token means within an outer CUDA_VISIBLE_DEVICES."""
    if outer is None:
        return Device(token, token, _card(token, cards))
    mask = f"CUDA_VISIBLE_DEVICES={','.join(outer)}"
    if token.isdigit():
        if int(token) >= len(outer):
            left = f": {mask} leaves {len(outer)} card(s), numbered from 0"
            raise UsageError(
                Mistake("gpu", left, token),
                "unset CUDA_VISIBLE_DEVICES to use all cards of the machine",
            )
        inner = outer[int(token)]
        return Device(token, inner, _card(inner, cards))
    card = _card(token, cards)
    allowed = [_card(other, cards) for other in outer]
    if token not in outer and (card is None or card not in allowed):
        raise UsageError(Mistake("gpu", f"is hidden by {mask}", token))
    return Device(token, token, card)


def _card(token: str, cards: Sequence[Card]) -> Card | None:
    if token.isdigit():
        found = [card for card in cards if card.index == int(token)]
    else:
        found = [card for card in cards if card.uuid.startswith(token)]
        if not found and token.startswith("MIG-"):
            return None  # NVML lists cards, not instances; CUDA checks the id itself
    if len(found) != 1:
        why = "fits several cards" if found else "does not exist"
        there = ", ".join(f"{c.index} ({c.name}, {c.uuid})" for c in cards) or "none"
        raise UsageError(Mistake("gpu", f"{why}; there are: {there}", token), _EXAMPLES)
    return found[0]


def _gib(count: int) -> str:
    return f"{count / 2**30:.1f}"
