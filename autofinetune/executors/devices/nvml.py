"""Reads the NVIDIA cards by NVML, in its own process because a broken driver hangs its callers.

It answers each line on standard input with one line of JSON: a list of the cards, or null without
a working driver. It exits at the end of the input. It uses only the standard library and pynvml.
"""

from __future__ import annotations

import contextlib
import json
import sys
from typing import Any


def serve() -> None:
    """Answer until standard input is closed."""
    for _ in sys.stdin:
        print(json.dumps(read_cards()), flush=True)


def read_cards() -> list[dict[str, Any]] | None:
    """Return index, uuid, name, used_bytes, total_bytes (0 if unknown), used_percent (None if
    unknown) and processes of each card.

    `processes` are [pid, bytes] of those that NVML lists. A card that does not answer is left out.
    Return None without a library, a driver or any card.
    """
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # a missing library, another module of that name, a broken driver
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
    except Exception:
        return None
    uuid = _told(nvml, "nvmlDeviceGetUUID", handle)
    if uuid is None:
        return None
    memory = _told(nvml, "nvmlDeviceGetMemoryInfo", handle)
    return {
        "index": index,
        "uuid": uuid,
        "name": _told(nvml, "nvmlDeviceGetName", handle) or "NVIDIA card",
        "used_bytes": int(getattr(memory, "used", 0)),
        "total_bytes": int(getattr(memory, "total", 0)),
        "used_percent": getattr(_told(nvml, "nvmlDeviceGetUtilizationRates", handle), "gpu", None),
        "processes": _processes(nvml, handle),
    }


def _processes(nvml: Any, handle: object) -> list[list[int]]:
    """Return [pid, bytes] of each process; both lists may name one, with the same amount."""
    found = {}
    for kind in ("Compute", "Graphics"):
        for process in _told(nvml, f"nvmlDeviceGet{kind}RunningProcesses", handle) or ():
            if process.usedGpuMemory is not None:
                found[int(process.pid)] = int(process.usedGpuMemory)
    return [[pid, used] for pid, used in found.items()]


def _told(nvml: Any, name: str, handle: object) -> Any:
    """Query a card; return None where it does not support that (MIG, containers)."""
    try:
        value = getattr(nvml, name)(handle)
        return value.decode() if isinstance(value, bytes) else value
    except Exception:
        return None
