"""Reading the cards, with a fake library."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Sequence
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from autofinetune.executors.devices.nvml import read_cards, serve


def card(index: int, uuid: str, name: str, used: int, total: int) -> dict[str, Any]:
    return {
        "index": index, "uuid": uuid, "name": name, "used_bytes": used, "total_bytes": total,
        "used_percent": None, "processes": [],
    }  # fmt: skip


class FakeNvml(ModuleType):
    """A `pynvml` with two cards; calls named in `broken` fail."""

    def __init__(self, broken: Sequence[str] = (), **values: object) -> None:
        super().__init__("pynvml")
        answers: dict[str, object] = {
            "nvmlDeviceGetCount": 2,
            "nvmlDeviceGetUUID": "GPU-1",
            "nvmlDeviceGetName": "H200",
            "nvmlDeviceGetMemoryInfo": SimpleNamespace(used=1, total=2),
            **values,
        }
        self.calls: list[str] = []
        for name in ("nvmlInit", "nvmlShutdown", "nvmlDeviceGetHandleByIndex", *answers):
            setattr(self, name, self._call(name, name in broken, answers.get(name)))

    def _call(self, name: str, is_broken: bool, answer: object) -> object:
        def call(*_: object) -> object:
            self.calls.append(name)
            if is_broken:
                raise RuntimeError(f"{name} failed")
            return answer

        return call


def install(monkeypatch: pytest.MonkeyPatch, module: ModuleType | None) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", module)


def test_cards_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeNvml()
    install(monkeypatch, fake)
    assert read_cards() == [card(0, "GPU-1", "H200", 1, 2), card(1, "GPU-1", "H200", 1, 2)]
    assert (fake.calls[0], fake.calls[-1]) == ("nvmlInit", "nvmlShutdown")


def test_processes_are_named_once_with_what_they_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    def process(pid: int, used: int | None) -> SimpleNamespace:
        return SimpleNamespace(pid=pid, usedGpuMemory=used)

    fake = FakeNvml(
        nvmlDeviceGetCount=1,
        nvmlDeviceGetComputeRunningProcesses=[process(7, 100), process(8, None)],
        nvmlDeviceGetGraphicsRunningProcesses=[process(7, 100), process(9, 50)],
    )
    install(monkeypatch, fake)
    assert (read_cards() or [{}])[0]["processes"] == [[7, 100], [9, 50]]


def test_the_share_of_time_in_which_a_card_is_busy_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    busy = SimpleNamespace(gpu=87, memory=3)
    install(monkeypatch, FakeNvml(nvmlDeviceGetCount=1, nvmlDeviceGetUtilizationRates=busy))
    assert (read_cards() or [{}])[0]["used_percent"] == 87


def test_names_in_bytes_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeNvml(nvmlDeviceGetUUID=b"GPU-1", nvmlDeviceGetName=b"A100", nvmlDeviceGetCount=1)
    install(monkeypatch, fake)
    assert read_cards() == [card(0, "GPU-1", "A100", 1, 2)]


def test_a_card_that_hides_its_memory_and_name_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeNvml(["nvmlDeviceGetMemoryInfo", "nvmlDeviceGetName"])
    install(monkeypatch, fake)
    assert read_cards() == [card(n, "GPU-1", "NVIDIA card", 0, 0) for n in range(2)]


@pytest.mark.parametrize(
    "broken", ["nvmlInit", "nvmlDeviceGetCount", "nvmlDeviceGetHandleByIndex", "nvmlDeviceGetUUID"]
)
def test_a_broken_driver_is_no_driver(monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    fake = FakeNvml([broken, "nvmlShutdown"])
    install(monkeypatch, fake)
    assert read_cards() is None
    assert ("nvmlShutdown" in fake.calls) == (broken != "nvmlInit")


def test_a_shutdown_that_fails_loses_no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, FakeNvml(["nvmlShutdown"]))
    assert len(read_cards() or ()) == 2


@pytest.mark.parametrize("module", [None, ModuleType("pynvml")], ids=["absent", "foreign"])
def test_without_the_library_there_is_no_driver(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType | None
) -> None:
    install(monkeypatch, module)
    assert read_cards() is None


def test_a_card_that_does_not_answer_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeNvml()

    def handle(index: int) -> None:
        if index == 0:
            raise RuntimeError("it has fallen off the bus")

    monkeypatch.setattr(fake, "nvmlDeviceGetHandleByIndex", handle)
    install(monkeypatch, fake)
    assert [card["index"] for card in read_cards() or ()] == [1]


def test_a_name_that_is_no_text_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, FakeNvml(nvmlDeviceGetName=b"\xff"))
    assert {card["name"] for card in read_cards() or ()} == {"NVIDIA card"}


def test_each_line_is_answered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install(monkeypatch, None)
    monkeypatch.setattr(sys, "stdin", io.StringIO("?\n?\n"))
    serve()
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [None, None]
