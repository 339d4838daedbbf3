"""Divides devices and cores into slots, each with the environment that a trial sees there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from autofinetune.config.placement import Placement
from autofinetune.core.slot import Slot
from autofinetune.errors import Mistake, UsageError
from autofinetune.executors.devices.cards import Card
from autofinetune.executors.devices.find import Device, Devices, find_devices

# Read by linear algebra libraries when they are loaded.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


@dataclass(frozen=True)
class LocalSlot:
    """A slot on this machine, and what a trial gets there.

    `cards` are the UUIDs of its NVIDIA cards as far as NVML lists them, `cpus` the cores to which
    it is pinned (empty for all), and `ranks` the number of processes of a trial.
    """

    name: Slot
    env: Mapping[str, str] = field(default_factory=dict)
    cards: tuple[str, ...] = ()
    cpus: tuple[int, ...] = ()
    ranks: int = 1
    what: str = "no card"  # of a slot without devices, for people

    @property
    def visible(self) -> str:
        """The devices that a trial sees; empty on the CPU."""
        return self.env.get("CUDA_VISIBLE_DEVICES", "")

    @property
    def devices(self) -> tuple[str, ...]:
        """Ids that are unique to its cards on this machine; empty for the CPU."""
        return self.cards or tuple(filter(None, self.visible.split(",")))


@dataclass(frozen=True)
class Slots:
    """All slots of a run, with notes for the user."""

    places: tuple[LocalSlot, ...]
    notes: tuple[str, ...] = ()

    def describe(self) -> Iterator[str]:
        """Yield a line for each slot with its devices, cores and ranks, then common variables."""
        for slot in self.places:
            parts = [f"devices {slot.visible}" if slot.visible else slot.what]
            if slot.cpus:
                parts.append(f"cores {','.join(map(str, slot.cpus))}")
            if slot.ranks > 1:
                parts.append(f"{slot.ranks} ranks")
            yield f"slot {slot.name}: " + ", ".join(parts)
        env = self.places[0].env
        threads = [f"{name}={env[name]}" for name in THREAD_VARIABLES if name in env]
        if threads:
            yield "every process gets " + " ".join(threads)


def find_slots(
    gpu: str,
    environ: Mapping[str, str],
    cards: Sequence[Card] | None,
    placement: Placement = Placement(),  # noqa: B008  frozen
    cores: Sequence[int] = (),
) -> Slots:
    """Return the slots for `--gpu` and the placement; the first slot of each device comes first.

    Args:
        gpu, environ, cards: as for `find_devices`.
        cores: the cores that trials may use; if empty, no thread variables are set. UsageError if
            there are too few, as for devices that do not exist or cannot be divided as asked.
    """
    found = find_devices(gpu, environ, cards)
    groups = _groups(gpu, found.each, placement.gpus_per_trial)
    count = len(groups) * placement.trials_per_gpu
    count = min(count, placement.max_parallel or count)
    cpus = _shares(cores, count, placement.cpus_per_trial)
    threads = _threads(found, placement, count, len(cores), environ)
    places: list[LocalSlot] = []
    for number in range(placement.trials_per_gpu):
        for group in groups[: count - len(places)]:
            device = "+".join(one.name for one in group)
            slot = LocalSlot(
                Slot(device, 0 if placement.trials_per_gpu == 1 else number + 1),
                {**_shown(group), **threads},
                tuple(one.card.uuid for one in group if one.card),
                cpus[len(places)],
                placement.ranks,
            )
            places.append(slot)
    return Slots(tuple(places), found.notes)


def _groups(gpu: str, devices: Sequence[Device], size: int) -> list[Sequence[Device]]:
    count = len(devices)
    if count % size:
        allowed = ", ".join(str(n) for n in range(1, count + 1) if count % n == 0)
        raise UsageError(
            Mistake(
                "gpus_per_trial",
                f": the {count} device{'s' if count != 1 else ''} of "
                f"--gpu={gpu} cannot be divided into groups of {size}; allowed here: {allowed}",
                size,
            ),
            f"name a multiple of {size} devices, or another --gpus_per_trial",
        )
    if size > 1 and any(device.visible.startswith("MIG-") for device in devices):
        raise UsageError(
            Mistake("gpus_per_trial", ": CUDA shows a process only one MIG instance", size),
            "use whole cards, or --gpus_per_trial=1",
        )
    return [devices[start : start + size] for start in range(0, count, size)]


def _shown(group: Sequence[Device]) -> dict[str, str]:
    """Return variables that show CUDA only these devices, in NVML's order."""
    visible = ",".join(device.visible for device in group if device.visible)
    order = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"} if visible else {}
    return {"CUDA_VISIBLE_DEVICES": visible, **order}


def _shares(cores: Sequence[int], count: int, each: int | None) -> list[tuple[int, ...]]:
    """Return the disjoint cores of each of `count` slots; empty if they are not divided."""
    if each is None:
        return [()] * count
    if each * count > len(cores):
        raise UsageError(
            Mistake(
                "cpus_per_trial",
                f"for {count} slot{'s' if count != 1 else ''} needs "
                f"{each * count} cores, but only {len(cores)} may be used here",
                each,
            ),
            f"use at most --cpus_per_trial={len(cores) // count} with these slots"
            if len(cores) >= count
            else "use fewer slots",
        )
    return [tuple(cores[start : start + each]) for start in range(0, each * count, each)]


def _threads(
    found: Devices, placement: Placement, count: int, cores: int, environ: Mapping[str, str]
) -> dict[str, str]:
    """Return the thread variables of every process; values set by the user stay."""
    each = placement.cpus_per_trial
    if each is None:
        if found.are_cards or not cores or count * placement.ranks == 1:
            return {}
        each = cores // count
    threads = str(max(1, each // placement.ranks))
    return {name: threads for name in THREAD_VARIABLES if not environ.get(name)}
