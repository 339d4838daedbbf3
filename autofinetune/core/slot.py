"""Slots: the places on which trials run."""

from __future__ import annotations

import re

_NAME = re.compile(r"(.*?)(?:\.([1-9][0-9]*))?(?:@([^@]*))?", re.DOTALL)


class Slot(str):
    """A place for one trial. As text, it is the name of the slot in journals and messages.

    Examples of names: `0` is device 0, `0+1` two devices, `0.2` the second place on device 0, and
    `0.2@node1` that place on another machine.
    """

    __slots__ = ("device", "node", "place")
    device: str  # its name, or those of several devices joined by `+`
    place: int  # from 1; 0 if the device has only one
    node: str  # the machine; empty for the tuner's own

    def __new__(cls, device: str, place: int = 0, node: str = "") -> Slot:
        text = f"{device}.{place}" if place else device
        self = super().__new__(cls, f"{text}@{node}" if node else text)
        self.device, self.place, self.node = device, place, node
        return self

    @classmethod
    def read(cls, text: str) -> Slot:
        found = _NAME.fullmatch(text)
        assert found is not None  # it matches every text
        device, place, node = found.groups()
        return cls(device, int(place or 0), node or "")

    def on(self, node: str) -> Slot:
        """Return this slot as a place on a machine, itself if the name is empty."""
        return Slot(self.device, self.place, node) if node else self

    def shares_device(self, other: Slot) -> bool:
        """Return whether both are places on the same device, or the same slot."""
        return (self.node, self.device) == (other.node, other.device)

    def touches(self, other: Slot) -> bool:
        """Return whether the two have a device in common."""
        mine, others = self.device.split("+"), other.device.split("+")
        return self.node == other.node and not set(mine).isdisjoint(others)

    def __getnewargs__(self) -> tuple[str, int, str]:  # type: ignore[override]
        return self.device, self.place, self.node


NOWHERE = Slot("")  # the slot of a trial that has none
