"""Finds the devices that `--gpu` names, each with its value for CUDA_VISIBLE_DEVICES.

Card numbers count within an outer CUDA_VISIBLE_DEVICES, as in CUDA itself. NVML lists cards in PCI
bus order, so trials get CUDA_DEVICE_ORDER=PCI_BUS_ID.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autofinetune.errors import Mistake, UsageError
from autofinetune.executors.devices.cards import Card

_UUID = re.compile(r"(GPU|MIG)-[0-9A-Za-z/-]+\Z")
_CPU = re.compile(r"cpu(?::([0-9]{1,4}))?\Z")
_AUTO = re.compile(r"auto(?::([0-9]{1,7}))?\Z")
_BUSY_BYTES = 256 << 20  # a driver may use up to this much of an idle card itself
_EXAMPLES = "write for instance --gpu=0,1  --gpu=GPU-5a1b...  --gpu=auto  --gpu=cpu:4"


@dataclass(frozen=True)
class Device:
    """One entry of `--gpu`.

    `visible` is its value for CUDA_VISIBLE_DEVICES, empty for the CPU; `card` is the UUID of the
    NVIDIA card that NVML lists for it.
    """

    name: str
    visible: str = ""
    card: str = ""


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
    return _on_cards([_Resolver(cards, outer).resolve(token) for token in tokens])


def _processor(count: int, notes: tuple[str, ...]) -> Devices:
    if count < 1:
        raise UsageError(Mistake("gpu", "has no slots; use at least cpu:1", "cpu:0"))
    return Devices(tuple(Device(f"cpu:{index}") for index in range(count)), notes)


def _outer_mask(environ: Mapping[str, str]) -> list[str] | None:
    mask = environ.get("CUDA_VISIBLE_DEVICES")
    if mask is None:
        return None
    tokens: list[str] = []
    for token in (part.strip() for part in mask.split(",")):
        if not _is_device(token):
            break  # CUDA ignores the first invalid entry and everything after it
        tokens.append(token)
    return tokens


def _is_device(token: str) -> bool:
    return (token.isascii() and token.isdigit()) or _UUID.match(token) is not None


def _tokens(gpu: str) -> list[str]:
    tokens = gpu.split(",")
    for token in tokens:
        if not _is_device(token):
            shown = f"{token!r} in --gpu={gpu}" if token else f"an empty entry in --gpu={gpu}"
            raise UsageError(
                f"{shown} is not a device; card numbers, GPU-... or MIG-... ids without spaces, "
                "cpu, cpu:N, auto and auto:N are allowed",
                _EXAMPLES,
            )
    tokens = [str(int(token)) if token.isdigit() else token for token in tokens]
    _no_device_twice(gpu, tokens)
    return tokens


def _no_device_twice(gpu: str, devices: Sequence[str]) -> None:
    for index, device in enumerate(devices):
        if device in devices[:index]:
            raise UsageError(Mistake("gpu", f"names device {device} twice; name each once", gpu))


def _auto(outer: list[str] | None, cards: Sequence[Card] | None, slots: int) -> Devices:
    visible = outer if outer is not None else [str(card.index) for card in cards or ()]
    if not cards or not visible:
        note = "no NVIDIA card is visible: trials run on the CPU (--gpu=cpu:N gives more slots)"
        return _processor(slots, (note,))
    resolver = _Resolver(cards, None)
    return _on_cards([resolver.resolve(token) for token in visible])


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


def _on_cards(chosen: Sequence[tuple[str, str, Card | None]]) -> Devices:
    """Return the devices for tuples of token as typed, token for CUDA, and card."""
    by_device: dict[str, str] = {}
    for token, inner, card in chosen:
        device = card.uuid if card else inner
        if device in by_device:
            raise UsageError(
                Mistake("gpu", f"names one card twice: {by_device[device]} and {token}")
            )
        by_device[device] = token
    notes = [
        f"card {token} ({card.name}): {_gib(card.used_bytes)} of {_gib(card.total_bytes)} GiB "
        "are in use by others"
        for token, _, card in chosen
        if card is not None and card.used_bytes > _BUSY_BYTES
    ]
    devices = tuple(
        Device(token, inner, card.uuid if card else "") for token, inner, card in chosen
    )
    return Devices(devices, tuple(notes), are_cards=True)


class _Resolver:
    """Finds the card that a token means within an outer CUDA_VISIBLE_DEVICES."""

    def __init__(self, cards: Sequence[Card], outer: list[str] | None) -> None:
        self.cards = cards
        self.outer = outer

    def resolve(self, token: str) -> tuple[str, str, Card | None]:
        """Return the token, its value for CUDA_VISIBLE_DEVICES, and the card if listed."""
        if self.outer is None:
            return token, token, self._card(token)
        if token.isdigit():
            if int(token) >= len(self.outer):
                raise UsageError(
                    Mistake(
                        "gpu",
                        f": CUDA_VISIBLE_DEVICES={','.join(self.outer)} leaves "
                        f"{len(self.outer)} card(s), numbered from 0",
                        token,
                    ),
                    "unset CUDA_VISIBLE_DEVICES to use all cards of the machine",
                )
            inner = self.outer[int(token)]
            return token, inner, self._card(inner)
        card = self._card(token)
        allowed = [self._card(outer) for outer in self.outer]
        if token not in self.outer and (card is None or card not in allowed):
            raise UsageError(
                Mistake("gpu", f"is hidden by CUDA_VISIBLE_DEVICES={','.join(self.outer)}", token)
            )
        return token, token, card

    def _card(self, token: str) -> Card | None:
        if token.isdigit():
            found = [card for card in self.cards if card.index == int(token)]
        else:
            found = [card for card in self.cards if card.uuid.startswith(token)]
            if not found and token.startswith("MIG-"):
                return None  # NVML lists cards, not instances; CUDA checks the id itself
        if len(found) != 1:
            why = "fits several cards" if found else "does not exist"
            there = ", ".join(f"{c.index} ({c.name}, {c.uuid})" for c in self.cards) or "none"
            raise UsageError(Mistake("gpu", f"{why}; there are: {there}", token), _EXAMPLES)
        return found[0]


def _gib(count: int) -> str:
    return f"{count / 2**30:.1f}"
