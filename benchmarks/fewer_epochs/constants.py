"""The constants of the surrogate that knows progress: what else was tried for each.

    methods=$(python -m benchmarks.fewer_epochs.constants)
    python -m benchmarks.fewer_epochs run --problems=tuned --seeds=3 --methods="$methods" ...

Each variant is `pshe2+surrogate` with one constant changed, on the instances of LCBench on which
constants may be tuned, and no others.
"""

from __future__ import annotations

from collections.abc import Mapping

from autofinetune.surrogate import curve_screen, trainings

PLACES = {
    "PROGRESS_LENGTH": curve_screen,
    "HANDICAP": curve_screen,
    "WHOLE": curve_screen,
    "SHARES": trainings,
}
_DEFAULTS = {name: getattr(place, name) for name, place in PLACES.items()}
VARIANTS = (
    "PROGRESS_LENGTH=0.35", "PROGRESS_LENGTH=1.4", "HANDICAP=0", "HANDICAP=1.4", "WHOLE=2",
    "WHOLE=5", "SHARES=0.11-0.25-0.5-0.75", "SHARES=0.33",
)  # fmt: skip


def apply(given: Mapping[str, str]) -> None:
    """Set constants for the next search of this process: WHOLE to 5; others get their defaults."""
    for name, place in PLACES.items():
        value = _DEFAULTS[name]
        if name in given:
            numbers = [float(part) for part in given[name].split("-")]
            value = tuple(numbers) if name == "SHARES" else numbers[0]
        setattr(place, name, value)


if __name__ == "__main__":
    print(";".join(["pshe2", "pshe2+surrogate", *(f"pshe2+surrogate:{v}" for v in VARIANTS)]))
