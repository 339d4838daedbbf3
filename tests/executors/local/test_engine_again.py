"""The engine of this machine finds slots again after options were changed."""

from __future__ import annotations

import pytest

from autofinetune.errors import UsageError
from autofinetune.executors.devices.cards import Card
from autofinetune.executors.local import engine as engine_module
from autofinetune.executors.local.engine import LocalEngine
from tests.helpers import config_of

CARDS = [Card(0, "GPU-0", "H"), Card(1, "GPU-1", "H")]


class Probe:
    """A driver with two cards, which is not asked about the CPU."""

    made: list[str] = []  # noqa: RUF012

    def __init__(self, gpu: str) -> None:
        self.made.append(gpu)
        self.has_driver = not gpu.startswith("cpu")

    def first_cards(self) -> list[Card] | None:
        return CARDS if self.has_driver else None

    def look(self) -> dict[str, Card]:
        return {card.uuid: card for card in CARDS} if self.has_driver else {}

    def close(self) -> None:
        self.has_driver = False


def test_slots_are_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "CardProbe", Probe)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    Probe.made.clear()
    with LocalEngine("cpu:2") as engine:
        for gpu, names in (
            ("cpu:2", ["cpu:0", "cpu:1"]), ("0", ["0"]), ("0,1", ["0", "1"]), ("cpu:1", ["cpu:0"]),
        ):  # fmt: skip
            slots = engine.slots(config_of(gpu=gpu))
            assert [place.name for place in slots.places] == names
        with pytest.raises(UsageError):
            engine.slots(config_of(gpu="7"))
    assert Probe.made == ["cpu:2", "0"]  # the driver is asked again, not started again
