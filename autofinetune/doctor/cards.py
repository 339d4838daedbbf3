"""Checks the NVIDIA driver and its cards."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from autofinetune.doctor.finding import Finding, problem, warning
from autofinetune.executors.devices.cards import Card, CardProbe
from autofinetune.executors.devices.find import find_devices
from autofinetune.visible import counted

_BUSY_BYTES = 256 << 20  # a driver may use as much of an idle card itself


def cards() -> Iterator[Finding]:
    """Check that the driver answers, and what is free on each card."""
    with contextlib.closing(CardProbe("auto")) as probe:
        found = probe.first_cards()
    version = _driver()
    if not found:
        if version or Path("/dev/nvidiactl").exists():
            yield problem(
                "gpu",
                f"the driver {version or ''} is there, but names no cards".replace("  ", " "),
                "check that nvidia-smi works; in a container: docker run --gpus all",
            )
        else:
            yield Finding("gpu", "no NVIDIA driver: trials run on the CPU (--gpu=cpu:N)")
        return
    visible = find_devices("auto", os.environ, found).each
    names = {device.card.uuid for device in visible if device.card is not None}
    hidden = f", {len(found) - len(names)} hidden by CUDA_VISIBLE_DEVICES" if len(names) < len(
        found) else ""  # fmt: skip
    yield Finding(
        "gpu", f"driver {version or 'of unknown version'}, {counted(len(found), 'card')}{hidden}"
    )
    for card in found:
        yield _of_card(card)


def _of_card(card: Card) -> Finding:
    free = (card.total_bytes - card.used_bytes) / 2**30
    text = (
        f"card {card.index} ({card.name}): {free:.1f} of {card.total_bytes / 2**30:.1f} GiB free"
    )
    if card.used_bytes <= _BUSY_BYTES:
        return Finding("gpu", text)
    users = ", ".join(str(pid) for pid, _ in card.processes)
    return warning(
        "gpu",
        f"{text}; in use by {f'processes {users}' if users else 'others'}",
        "leave it out of --gpu, wait for it, or give --min_free_gpu_gb",
    )


def _driver() -> str:
    """Return the version of the driver that the kernel has loaded; empty without one."""
    try:
        text = Path("/proc/driver/nvidia/version").read_text()
    except OSError:
        return ""
    words = text.split()
    return next((word for word in words if word[:1].isdigit() and "." in word), "")
