"""Card memory used by our trials: whether another trial fits, and whether all was freed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from autofinetune.executors.base import Key
from autofinetune.executors.devices.cards import Card
from autofinetune.runner.processes import lineage

_MARGIN = 256 << 20  # bytes that other users of a card may allocate while a trial runs
_GIB = 2**30


class _Trial(Protocol):
    """A running trial: its cards, and its topmost process once that exists."""

    cards: tuple[str, ...]
    pid: int | None


class CardMemory:
    """The memory of the cards on which our trials run; all sizes in bytes.

    The share of each trial is known where NVML names processes that we can see. Elsewhere, as in
    most containers, the growth of a card's use since our first trial there is divided evenly.

    Args:
        look: returns the current state of the cards by UUID; empty where it is unknown.
        trials: the running ones; the caller keeps it up to date.
        least_free: what must be free on a card before a trial starts there.
    """

    def __init__(
        self,
        look: Callable[[], Mapping[str, Card]],
        trials: Mapping[Key, _Trial],
        least_free: float = 0,
    ) -> None:
        self._look = look
        self._trials = trials
        self._least_free = least_free
        self._before: dict[str, int] = {}  # by card: in use without our and foreign processes
        self.peak = 0  # the most that one trial was seen to use on one card

    def note(self, cards: Sequence[str]) -> None:
        """Remember what is in use on the cards before our first trial starts there."""
        idle = [uuid for uuid in cards if not self._trials_on(uuid)]
        seen = self._look() if idle else {}
        for uuid in idle:
            self._before.pop(uuid, None)
            if uuid in seen:
                self._before[uuid] = seen[uuid].used_bytes - self._split(seen[uuid])[1]

    def sample(self) -> Mapping[str, Card]:
        """Measure what the trials use now, and return the state of the cards."""
        seen = self._look()
        for card in seen.values():
            self.peak = max(self.peak, *self._shares(card).values(), 0)
        return seen

    def lack(self, cards: Sequence[str]) -> str:
        """Return why one more trial may not fit on these cards, or an empty string.

        A card without a trial of ours only needs `least_free`. A card with trials must have room
        for one more even if each of them grows to what a trial may need: the peak seen so far,
        and at least `least_free`.
        """
        if not (self._least_free and cards) and not any(map(self._trials_on, cards)):
            return ""
        seen = self.sample()
        reasons = (self._lack_on(seen[uuid]) for uuid in cards if uuid in seen)
        return next(filter(None, reasons), "")

    def _lack_on(self, card: Card) -> str:
        free = card.total_bytes - card.used_bytes
        if free < self._least_free:
            wanted = self._least_free / _GIB
            return f"{free / _GIB:.1f} GiB of the card are free, --min_free_gpu_gb={wanted:g}"
        need = max(self.peak, self._least_free)
        shares = self._shares(card).values()
        left = free - sum(max(0, need - share) for share in shares)
        if not shares or left >= need:
            return ""
        why = "the most one has used" if need == self.peak else "--min_free_gpu_gb"
        return (
            f"{max(0, left) / _GIB:.1f} GiB of the card will be left with "
            f"{len(shares)} running, and each trial may need {need / _GIB:.1f} ({why})"
        )

    def held(self, cards: Sequence[str]) -> int:
        """Return the bytes that were not freed after a trial on these cards ended.

        This is decided when no other trial of ours runs on a card: memory use must then be back to
        what it was before the first one. Until then, `lack` keeps further trials off a card that
        leaks.
        """
        left = [u for u in cards if u in self._before and len(self._trials_on(u)) == 1]
        seen = self._look() if left else {}
        more = [self._gained(seen[uuid]) for uuid in left if uuid in seen]
        return sum(gained for gained in more if gained > _MARGIN)

    def _shares(self, card: Card) -> dict[Key, int]:
        """Return what each of our trials uses of a card."""
        there = self._trials_on(card.uuid)
        own, _ = self._split(card)
        if own:
            return {key: own.get(key, 0) for key in there}
        gained = self._gained(card) if card.uuid in self._before else 0
        return {key: max(0, gained) // len(there) for key in there}

    def _gained(self, card: Card) -> int:
        """Return the growth since before our trials, without foreign processes."""
        return card.used_bytes - self._split(card)[1] - self._before[card.uuid]

    def _split(self, card: Card) -> tuple[dict[Key, int], int]:
        """Return what each of our trials uses, and what living foreign processes use."""
        runners = {trial.pid: key for key, trial in self._trials.items()}
        own: dict[Key, int] = {}
        strangers = 0
        for pid, used in card.processes:
            line = lineage(pid)
            key = next((runners[above] for above in line if above in runners), None)
            if key is not None:
                own[key] = own.get(key, 0) + used
            elif line:
                strangers += used
        return own, strangers

    def _trials_on(self, uuid: str) -> list[Key]:
        return [key for key, trial in self._trials.items() if uuid in trial.cards]
