"""Writes docs/search_quality.md from the results, section by section.

A section for which nothing was measured with today's code stays as it is; each names its commit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.page import commit, sections_of

from . import (
    cells,
    code,
    constants,
    metrics,
    mixed,
    namesakes,
    plots,
    pure_cma,
    results,
    scales,
    schedules,
    speed,
    synthetic,
    trainings,
    yahpo,
)
from .functions import FUNCTIONS, TUNING
from .method import PARALLEL
from .methods import is_ours
from .tasks import TUNED_ON

DOCS = Path(__file__).parents[2] / "docs"
LONG = 200
_NAME = "search_quality.md"
_BESIDE: Mapping[str, tuple[str, Any]] = {
    "Pure CMA-ES": (".bbob.json", pure_cma),
    "Speed": (".speed.json", speed),
    "No rounds": (".schedules.json", schedules),
}
_CLASSICS, _CONSTANTS, _AGAIN = "Against the PaddleHub originals", "The constants", "To repeat it"
_LAST = (_CLASSICS, namesakes.TITLE, _CONSTANTS, *_BESIDE, _AGAIN)
_CLASSIC = {"pshe2": "paddlehub-pshe2", "hazero": "paddlehub-hazero"}


def write(
    cache: Path, names: Sequence[str], methods: Sequence[str], trials: Sequence[int]
) -> None:
    """Write the document and its plots from the cache and the files beside it."""
    found = cells.current(cache)
    groups = _groups(found, names, methods, max(trials))
    pictures = plots.draw_all(DOCS, groups, _CLASSIC)
    measured = {}
    for title, group in groups.items():
        counts = trials if group.trials == max(trials) else (max(trials), group.trials)
        measured[title] = _section(group, counts, pictures[title])
    measured |= {
        _CLASSICS: _against_classics(found, names, trials),
        namesakes.TITLE: namesakes.section(found, names),
        _CONSTANTS: constants.section(found),
        **{title: _beside(cache, title) for title in _BESIDE},
        _AGAIN: _again(cache),
    }
    _put(_protocol(found, groups), measured)


def keep(cache: Path, title: str, found: Any) -> None:
    """Print what was measured for a section of its own, and keep it beside the cache."""
    suffix, module = _BESIDE[title]
    kept = {"commit": commit(DOCS), "found": found}
    cache.with_suffix(suffix).write_text(json.dumps(kept) + "\n")
    print("\n".join(module.lines(found)))


def write_namesakes(cache: Path, names: Sequence[str]) -> None:
    """Put only the table of the tuners into the document, in place of the one that is there."""
    write_section(namesakes.TITLE, namesakes.section(cells.current(cache), names))


def write_section(title: str, text: str) -> None:
    """Put one section into the document, in place of the one that is there."""
    head, protocol, rest = (DOCS / _NAME).read_text().partition("## Protocol\n")
    head += protocol + rest.partition("\n## ")[0]
    _put(head, {title: text})


def _put(head: str, measured: Mapping[str, str]) -> None:
    """Write what was measured, and the sections of before for which nothing was."""
    stamp = f"Commit {commit(DOCS)}."
    document = DOCS / _NAME
    before = sections_of(document.read_text()) if document.exists() else {}
    before.pop("Protocol", None)
    sections = {
        title: text if title in (*_BESIDE, _AGAIN) else f"{text}\n\n{stamp}"
        for title, text in measured.items()
        if text
    }
    sections |= {title: text for title, text in before.items() if title not in sections}
    titles = [title for title in sections if title not in _LAST]
    titles += [title for title in _LAST if title in sections]
    parts = [head.strip(), *(f"## {title}\n\n{sections[title].strip()}" for title in titles)]
    document.write_text("\n\n".join(parts) + "\n")


def _groups(
    found: Mapping[results.Key, cells.Cell],
    names: Sequence[str],
    methods: Sequence[str],
    trials: int,
) -> dict[str, results.Group]:
    """What is told, by title: each family; then the slow peers, and longer searches."""
    groups = {}
    rare: set[str] = set()
    for title, members in results.families(names).items():
        is_wide = title == results.ALL
        group, left_out = results.group(found, members, methods, trials, _CLASSIC, is_wide=is_wide)
        if group is not None:
            groups[title] = group
            rare |= {method for method in left_out if is_wide and not is_ours(method)}
    if results.ALL in groups:
        members, usual = results.families(names)[results.ALL], groups[results.ALL].methods
        for package in sorted({method.partition("-")[0] for method in rare}):
            peers = sorted(method for method in rare if method.partition("-")[0] == package)
            beside = results.select(found, members, [*usual, *peers], trials)
            if beside is not None:
                groups[f"{results.ALL}, with {', '.join(peers)}"] = beside
        longer, _ = results.group(found, members, methods, LONG, _CLASSIC)
        if trials < LONG and longer is not None:
            groups[f"{results.ALL}, {LONG} trials"] = longer
    return groups


def _protocol(found: Mapping[results.Key, cells.Cell], groups: Mapping[str, results.Group]) -> str:
    versions: dict[str, set[str]] = {}
    used = {method for group in groups.values() for method in group.methods}
    for cell in found.values():
        if cell.method in used:
            for package, version in cell.versions.items():
                versions.setdefault(package, set()).add(version)
    searches = ", ".join(f"{name} {code.digest(name)}" for name in _CLASSIC)
    pinned = ", ".join(f"{name} {'/'.join(sorted(v))}" for name, v in sorted(versions.items()))
    return f"""# How good is the search?

Everything here was written by `python -m benchmarks.search_quality doc` from recorded results.
Each section names the commit whose code was measured.

## Protocol

* Every method gets the same tasks, the same seeds and {PARALLEL} trials at a time: {PARALLEL} are
  asked for before any result is told. The first trial of every method is the initial values,
  except for the two PaddleHub originals, which never try them.
* Spaces have the same ranges and scales for all (logarithmic where the task says so), except the
  PaddleHub originals, which search on linear scales and truncate whole numbers.
* Regret is (best known - best so far) / (best known - median of a random configuration). For
  LCBench the best known is that of {scales.POINTS:,} random points, so regret can be below zero;
  for synthetic functions it is the optimum, for real trainings the best of the whole table.
* Ranks are among the methods of a table, for each task and seed; equal methods share their rank.
  Intervals are 95 % of {metrics.RESAMPLES:,} bootstrap samples over tasks and, within a
  task, seeds.
* Milliseconds are medians per suggestion, for asking and telling together, with one thread, while
  the machine also did other work; see Speed for times from one run.
* Peers at their defaults, or better where their documentation says so for deterministic
  functions and trials in parallel: `optuna-tpe` is TPESampler's default (multivariate, constant
  liar), `-group` adds groups, `-uni` takes one parameter at a time; `optuna-gp` knows that the
  tasks are deterministic; `cma` and `catcmawm` have populations of {PARALLEL}. In spaces without
  conditions, `-group` suggests the same as the default. `leanhebo` has HEBO's process; HEBO
  itself is missing because its requirements could not be installed (see peers.txt).
* The strategies' constants were tuned on these tasks only, which are reported separately:
  {", ".join(task for task in TUNED_ON if task.startswith(yahpo.FAMILY))}; the synthetic functions
  {_words([*TUNING])} in {_words(synthetic.TUNING_DIMS)} dimensions; and {_words([*mixed.SPACES])},
  which are invented spaces with choices and conditions.
* LCBench: one space, no conditions, seven hyperparameters, 52 epochs. Real trainings:
  scikit-learn models, {len(trainings.names())} in number, of which every configuration was trained
  with cross-validation beforehand. Synthetic: {len(FUNCTIONS)} functions in
  {_words(synthetic.DIMS)} dimensions, and with whole numbers on every second axis in
  {_words(synthetic.ROUNDED_DIMS)}.

Versions: {pinned}. Search code at commit {commit(DOCS)}: {searches}."""


def _words(numbers: Sequence[object]) -> str:
    return ", ".join(map(str, numbers))


def _section(group: results.Group, trials: Sequence[int], picture: str) -> str:
    regret = {n: results.regrets(group, n) for n in trials}
    rank = {n: results.ranks(group, n) for n in trials}
    heads = [f"regret@{n}" for n in trials] + [f"rank@{n}" for n in trials]
    rows = [
        f"{len(group.tasks)} tasks, {group.seeds_in_words}.",
        "",
        f"![regret against trials]({picture})",
        "",
        f"| method | {' | '.join(heads)} | ms |",
        "|---" * (len(heads) + 2) + "|",
    ]
    last = trials[-1]
    for method in sorted(group.methods, key=lambda m: rank[last][m].mean):
        values = [
            f"{c.mean:.4f} [{c.low:.3f}, {c.high:.3f}]"
            for c in (regret[n][method] for n in trials)
        ] + [
            f"{c.mean:.2f} [{c.low:.2f}, {c.high:.2f}]" for c in (rank[n][method] for n in trials)
        ]
        name = f"**{method}**" if is_ours(method) else method
        rows.append(f"| {name} | {' | '.join(values)} | {group.milliseconds[method]:.0f} |")
    return "\n".join([*rows, "", *_duels(group, [n for n in trials if n >= min(50, last)])])


def _duels(group: results.Group, trials: Sequence[int]) -> list[str]:
    """How often each strategy won, tied and lost against every other method."""
    duels = [(ours, n) for ours in _CLASSIC if ours in group.methods for n in trials]
    if not duels:
        return []
    won = {(ours, n): results.wins(group, ours, n) for ours, n in duels}
    rows = [
        "Searches won / tied / lost (closer than 0.001 is a tie):",
        "",
        f"| against | {' | '.join(f'{ours}@{n}' for ours, n in duels)} |",
        "|---" * (len(duels) + 1) + "|",
    ]
    for method in group.methods:
        cells = [
            " / ".join(map(str, won[duel][method])) if method in won[duel] else ""
            for duel in duels
        ]
        rows.append(f"| {method} | {' | '.join(cells)} |")
    return rows


def _against_classics(
    found: Mapping[results.Key, cells.Cell], names: Sequence[str], trials: Sequence[int]
) -> str:
    """On how many LCBench instances each strategy beats its original in the mean over seeds."""
    rows = []
    for ours, original in _CLASSIC.items():
        for n in (n for n in trials if n in (50, 100)):
            better, of, worst = 0, 0, []
            for task in (name for name in names if name.startswith("lcbench/")):
                group = results.select(found, [task], [ours, original], n)
                if group is None:
                    continue
                mine, classic = group.at(n).mean(axis=(0, 1))
                of += 1
                better += int(mine < classic)
                worst += [] if mine < classic else [task.partition("/")[2]]
            if of:
                rest = f" (not on {', '.join(worst)})" if worst else ""
                rows.append(f"* `{ours}` at {n} trials: better on {better} of {of}{rest}")
    head = "LCBench instances, mean regret over seeds:\n\n"
    return head + "\n".join(rows) if rows else ""


def _beside(cache: Path, title: str) -> str:
    """What a part printed that keeps its results in a file beside the cache."""
    suffix, module = _BESIDE[title]
    path = cache.with_suffix(suffix)
    if not path.exists():
        return ""
    kept = json.loads(path.read_text())
    table = "\n".join(module.lines(kept["found"]))
    prose = "\n\n".join(p for p in module.__doc__.split("\n\n") if not p.startswith("    "))
    return f"{prose.strip()}\n\n{table}\n\nCommit {kept['commit']}."


def _again(cache: Path) -> str:
    return f"""```shell
git clone --depth 1 https://github.com/slds-lmu/yahpo_data
python3 -m venv peers && peers/bin/pip install -r benchmarks/search_quality/peers.txt
peers/bin/python -m benchmarks.search_quality run \\
    --yahpo=yahpo_data --cache={cache.name} --seeds=20
peers/bin/python -m benchmarks.search_quality speed --cache={cache.name}
peers/bin/python -m benchmarks.search_quality bbob --cache={cache.name}
python -m benchmarks.search_quality schedules --yahpo=yahpo_data --cache={cache.name} \\
    '--tasks=lcbench/*'
python -m benchmarks.search_quality doc --yahpo=yahpo_data --cache={cache.name}
```"""
