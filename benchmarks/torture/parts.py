"""The parts: what each does, how often, what it is allowed to find, and how that is told."""

from __future__ import annotations

import dataclasses
import functools
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from autofinetune.visible import counted
from tests.faults.harness import STEPS

from . import clusters, files, kills, long_runs, powercuts, repeats, surface, trees
from .pool import RUN_KINDS, SEARCHES, Bench, spread
from .rows import MOST_EXAMPLES, Outcome, Row, commit, machine, today

ALL = 1_000_000  # more than any run makes durable steps


@dataclass(frozen=True)
class Order:
    """What was asked for."""

    seed: int
    jobs: int
    is_quick: bool


@dataclass(frozen=True)
class Part:
    """One row of the page.

    `is_spread`: whether pieces of it may be measured at the same time. `tell` makes the words for
    what was done and what was found, and may add violations that only the whole shows.
    """

    name: str
    title: str
    quick: int
    full: int
    counted: str
    kinds: Sequence[str]
    allowed: str
    units: Callable[[int, Order], Sequence[Any]]
    work: Callable[[Bench, Any], Outcome]
    tell: Callable[[Outcome, Order], tuple[str, str]]
    why_not: Callable[[], str] = lambda: ""
    is_spread: bool = True

    def count(self, is_quick: bool) -> int:
        return self.quick if is_quick else self.full

    def measure(self, count: int, order: Order) -> Row:
        row = Row(
            self.name, self.title, self.allowed, order.seed, commit(), today(), machine(),
            load=round(os.getloadavg()[0], 1),
        )  # fmt: skip
        if why_not := self.why_not():
            return dataclasses.replace(row, skipped=why_not)
        began = time.monotonic()
        if self.name == "bare-trees":
            words = [f"--bare-trees={count}", f"--seed={order.seed}", f"--jobs={order.jobs}"]
            told = trees.without_cgroups(["--only=bare-trees", *words])
            if told is not None:
                return dataclasses.replace(row, **told)
        jobs = order.jobs if self.is_spread else 1
        outcome = spread(self.work, self.units(count, order), jobs)
        done, found = self.tell(outcome, order)
        counted = Counter(kind for kind, _ in outcome.violations)
        return dataclasses.replace(
            row,
            done=done,
            found=found,
            violations={kind: counted[kind] for kind in dict.fromkeys([*self.kinds, *counted])},
            examples=[f"{kind}: {text}" for kind, text in outcome.violations[:MOST_EXAMPLES]],
            seconds=round(time.monotonic() - began, 1),
        )


def absent(*tools: str) -> str:
    missing = [tool for tool in tools if shutil.which(tool) is None]
    return f"{', '.join(missing)} missing" if missing else ""


def why_no_images() -> str:
    if missing := absent("mkfs.ext4", "mount", "umount"):
        return missing
    return "" if os.geteuid() == 0 else "only root can mount images"


# --- words --------------------------------------------------------------------------------------


def tell_kills(outcome: Outcome, order: Order) -> tuple[str, str]:
    done = outcome.done
    early = f"{done['early']:,} of them before the first event" if done["early"] else ""
    return f"{done['kills']:,} kills in {done['runs']:,} runs", early


def tell_steps(outcome: Outcome, order: Order) -> tuple[str, str]:
    done = outcome.done
    names = strategies(order)
    steps = ", ".join(f"{done[step]:,} {step}" for step in STEPS)
    total = sum(done[step] for step in STEPS)
    return f"{total:,} kills ({steps}), {' and '.join(names)}", ""


def tell_cuts(outcome: Outcome, order: Order) -> tuple[str, str]:
    return f"{outcome.done['cuts']:,} images", ""


def tell_trees(outcome: Outcome, order: Order) -> tuple[str, str]:
    return f"{outcome.done['trees']:,} trees of four processes and more", ""


def tell_yaml(outcome: Outcome, order: Order) -> tuple[str, str]:
    done = outcome.done
    return (
        f"{done['mutants']:,} files",
        f"{done['refused']:,} refused, {done['valid']:,} valid; "
        f"the slowest took {outcome.worst.get('seconds', 0.0):.3f} s",
    )


def tell_files(outcome: Outcome, order: Order) -> tuple[str, str]:
    done = outcome.done
    return f"{done['files']:,} files", f"{done['scored']:,} with a score"


def tell_surface(outcome: Outcome, order: Order) -> tuple[str, str]:
    done = outcome.done
    return (
        f"{done['cases']:,} output directories",
        f"{done['refused']:,} refused; the slowest command took "
        f"{outcome.worst.get('seconds', 0.0):.1f} s",
    )


def tell_soak(outcome: Outcome, order: Order) -> tuple[str, str]:
    samples = outcome.samples
    done = f"{outcome.done['trials']:,} trials, {outcome.done['looks']:,} looks"
    if "rss" not in samples:
        return done, "too few looks"
    (rss, rss_late), (fds, fds_late) = samples["rss"], samples["descriptors"]
    done += f", the warm-up {samples['warm'][0]:,.0f}"
    (threads, threads_late), (pace, pace_late) = samples["threads"], samples["seconds_per_trial"]
    return done, (
        f"memory {rss:.1f} to {rss_late:.1f} MiB, descriptors at most {fds:.0f} and "
        f"{fds_late:.0f}, threads {threads:.0f} and {threads_late:.0f}, "
        f"zombies {outcome.worst['zombies']:.0f}; "
        f"a trial took {1000 * pace:.0f} and {1000 * pace_late:.0f} ms"
    )


def tell_tables(outcome: Outcome, order: Order) -> tuple[str, str]:
    done = outcome.done
    return f"{done['runs']:,} runs, {done['kills']:,} kills", ""


def tell_gaps(outcome: Outcome, order: Order) -> tuple[str, str]:
    within, between = outcome.samples.get("within"), outcome.samples.get("between")
    if not within:
        return "0 gaps", "too few trials"
    p50, p95, p99 = (long_runs.percentile(within, share) for share in (0.5, 0.95, 0.99))
    if p95 > 0.2:
        outcome.violate("limits passed", f"p95 is {p95:.3f} s")
    if p99 > 0.3 and not order.is_quick:
        outcome.violate("limits passed", f"p99 is {p99:.3f} s")
    found = f"p50 {p50:.3f} s, p95 {p95:.3f} s, p99 {p99:.3f} s, longest {max(within):.3f} s"
    if between:
        found += f"; between two rounds p50 {long_runs.percentile(between, 0.5):.3f} s"
    return f"{len(within):,} gaps", found


def tell_repeats(outcome: Outcome, order: Order) -> tuple[str, str]:
    done = outcome.done
    skipped = f"{done['skipped']:,} skipped" if done["skipped"] else ""
    return f"{done['repeats']:,} repeats, {done['tests']:,} tests", skipped


def tell_clusters(outcome: Outcome, order: Order) -> tuple[str, str]:
    done = outcome.done
    skipped = f"{done['skipped']:,} skipped" if done["skipped"] else ""
    return counted(done["tests"], "test"), skipped


def strategies(order: Order) -> Sequence[str]:
    return SEARCHES[:1] if order.is_quick else SEARCHES


# --- the table ----------------------------------------------------------------------------------

NONE = "none"
TREE = (
    "a trial with three children (plain, in a session of its own, forked twice) ends by itself, "
    "is cancelled, or loses its runner"
)

PARTS: Sequence[Part] = (
    Part(
        "kills", "kill -9 of the tuner at random instants, then resume",
        200, 2000, "kills", RUN_KINDS, NONE,
        lambda count, order: kills.random_units(count, order.seed),
        kills.kill_at_random_instants, tell_kills,
    ),
    Part(
        "steps", "kill -9 at the entry of each fsync, fdatasync and rename of a run of 4 trials",
        ALL, ALL, "calls of each kind at most", RUN_KINDS, NONE,
        lambda count, order: kills.step_units(strategies(order), count, order.seed),
        kills.kill_at_steps, tell_steps, why_not=lambda: absent("strace"),
    ),
    Part(
        "powercuts", "power cut: an image of the file system in use is mounted, its run resumed",
        20, 200, "images", RUN_KINDS, NONE,
        lambda count, order: powercuts.units(count, order.seed),
        powercuts.power_cuts, tell_cuts, why_not=why_no_images,
    ),
    Part(
        "trees", f"{TREE}; with control groups",
        100, 1000, "trees", ("survivors",), NONE,
        lambda count, order: trees.units(count, order.seed),
        trees.tree_kills, tell_trees, why_not=trees.why_no_cgroups,
    ),
    Part(
        "bare-trees", "the same without control groups",
        100, 1000, "trees", ("survivors",), NONE,
        lambda count, order: trees.units(count, order.seed),
        trees.tree_kills, tell_trees, why_not=trees.why_cgroups_stay,
    ),
    Part(
        "yaml", "malformed hparam.yaml: refused with file and line, or it can be searched",
        1000, 100_000, "files", ("tracebacks", "without a line", "too slow", "unusable spaces"),
        f"none; each within {files.LIMIT_S:.0f} s",
        lambda count, order: files.units(count, order.seed),
        files.yaml_mutants, tell_yaml, is_spread=False,
    ),
    Part(
        "reports", "broken bytes in the file of reports, read while it grows",
        10_000, 1_000_000, "files", ("wrong scores", "missed scores", "tracebacks"), NONE,
        lambda count, order: files.units(count, order.seed),
        files.result_files, tell_files,
    ),
    Part(
        "surface", "one broken file, link or pipe in an output directory, and one of all commands",
        300, 20_000, "directories", surface.KINDS,
        f"none; each within {surface.LIMIT_S:.0f} s",
        lambda count, order: surface.units(count, order.seed),
        surface.broken_directories, tell_surface,
    ),
    Part(
        "soak", "a long run without surrogate: what a tuner holds after a warm-up and at the end",
        700, 20_000, "trials",
        ("limits passed", "failed trials", "orphans"),
        f"{long_runs.MOST_GROWTH_MIB:.0f} MiB more, descriptors and threads no more, "
        "no zombies for more than 5 s",
        lambda count, order: [(count, order.seed)],
        long_runs.soak, tell_soak, is_spread=False,
    ),
    Part(
        "tables", "five kills in a run of nine trials, two strategies per seed, all of them "
        "in turn: its table is that of the undisturbed run",
        8, 500, "seeds", RUN_KINDS, NONE,
        lambda count, order: kills.table_units(count, order.seed),
        kills.five_kills, tell_tables,
    ),
    Part(
        "gaps", "idle time between two trials of a round on a slot, last line to first line",
        100, 1000, "trials", ("limits passed", "failed trials"),
        "p95 0.2 s, p99 0.3 s",
        lambda count, order: [(count, order.seed)],
        long_runs.gaps, tell_gaps, is_spread=False,
    ),
    Part(
        "repeats", "the tests of single faults (`tests/faults`), again and again",
        1, 20, "repeats", (repeats.FLAKE,), NONE,
        lambda count, order: repeats.units(count, order.jobs),
        repeats.once_more, tell_repeats, is_spread=False,
    ),
    *(
        Part(
            name, title, 0, 1, "repeats", (repeats.FLAKE,), NONE,
            functools.partial(clusters.units, name),
            clusters.tests_of, tell_clusters, why_not=clusters.why_not, is_spread=False,
        )
        for name, (title, _) in clusters.GROUPS.items()
    ),
)  # fmt: skip
NAMES = [part.name for part in PARTS]
