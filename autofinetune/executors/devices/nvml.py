"""Reads the NVIDIA cards by NVML, as a process of its own: a sick driver hangs whoever asks it.

Each line on standard input is answered by one line of JSON: a list of the cards, or null without
a working driver. The end of the input ends the process. Standard library and pynvml only.
"""

from __future__ import annotations

import contextlib
import json
import sys
from typing import Any


def serve() -> None:
    """Answer until the other side is gone."""
    for _ in sys.stdin:
        print(json.dumps(read_cards()), flush=True)


def read_cards() -> list[dict[str, Any]] | None:
    """What NVML tells of each card: index, uuid, name, used_bytes, total_bytes (0: not told).

    `processes` are [pid, bytes] of those that it names. A card that does not answer is left out.
    None without a library, a driver or any card.
    """
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # a missing library, a foreign module of that name, a broken driver
        return None
    try:
        cards = [_read(pynvml, index) for index in range(pynvml.nvmlDeviceGetCount())]
    except Exception:
        return None
    finally:
        with contextlib.suppress(Exception):
            pynvml.nvmlShutdown()
    return [card for card in cards if card is not None] or None


def _read(nvml: Any, index: int) -> dict[str, Any] | None:
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        uuid = _text(nvml.nvmlDeviceGetUUID(handle))
    except Exception:
        return None
    memory = _told(nvml, "nvmlDeviceGetMemoryInfo", handle)
    try:
        name = _text(_told(nvml, "nvmlDeviceGetName", handle) or "NVIDIA card")
    except UnicodeDecodeError:
        name = "NVIDIA card"
    return {
        "index": index,
        "uuid": uuid,
        "name": name,
        "used_bytes": int(getattr(memory, "used", 0)),
        "total_bytes": int(getattr(memory, "total", 0)),
        "processes": _processes(nvml, handle),
    }


def _processes(nvml: Any, handle: object) -> list[list[int]]:
    """[pid, bytes]; a process that computes and draws is named by both lists, with one amount."""
    found = {}
    for kind in ("Compute", "Graphics"):
        for process in _told(nvml, f"nvmlDeviceGet{kind}RunningProcesses", handle) or ():
            if process.usedGpuMemory is not None:
                found[int(process.pid)] = int(process.usedGpuMemory)
    return [[pid, used] for pid, used in found.items()]


def _told(nvml: Any, name: str, handle: object) -> Any:
    """None where a card does not tell (MIG, containers)."""
    try:
        return getattr(nvml, name)(handle)
    except Exception:
        return None


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
