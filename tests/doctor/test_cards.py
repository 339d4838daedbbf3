"""Checks of the cards."""

from __future__ import annotations

import pytest

from autofinetune.doctor import cards
from autofinetune.doctor.finding import Status, findings_of
from autofinetune.errors import EnvironmentProblem
from autofinetune.executors.devices.cards import Card, CardProbe

GIB = 2**30
IDLE = Card(0, "GPU-0", "H100", 0, 80 * GIB)
BUSY = Card(1, "GPU-1", "H100", 60 * GIB, 80 * GIB, ((123, 60 * GIB),))


def answer(monkeypatch: pytest.MonkeyPatch, found: object, version: str = "550.54") -> None:
    def first_cards(probe: object) -> object:
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(CardProbe, "first_cards", first_cards)
    monkeypatch.setattr(cards, "_driver", lambda: version)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_each_card_has_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, [IDLE, BUSY])
    driver, idle, busy = cards.cards()
    assert driver.text == "driver 550.54, 2 cards"
    assert idle.text == "card 0 (H100): 80.0 of 80.0 GiB free"
    assert busy.status is Status.WARNING
    assert busy.text.endswith("in use by processes 123")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert next(cards.cards()).text.endswith("2 cards, 1 hidden by CUDA_VISIBLE_DEVICES")


def test_a_driver_without_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, None)
    (found,) = cards.cards()
    assert found.status is Status.PROBLEM
    answer(monkeypatch, None, version="")
    monkeypatch.setattr("pathlib.Path.exists", lambda path: False)
    (found,) = cards.cards()
    assert (found.status, "--gpu=cpu:N" in found.text) == (Status.OK, True)


def test_a_driver_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, EnvironmentProblem("the NVIDIA driver has not answered", "reboot"))
    (found,) = findings_of("gpu", cards.cards)
    assert (found.status, found.todo) == (Status.PROBLEM, "reboot")
