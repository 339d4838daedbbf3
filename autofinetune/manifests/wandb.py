"""Weights & Biases sweeps, run without a server: `program` or `command`, `method`, ...

A trial runs the command with its macros, which `config.commands` lists, and nothing added.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from autofinetune.config.commands import is_of_a_trial, unknown_macro
from autofinetune.config.config import MOST_TRIALS
from autofinetune.space.fields import short

from .arguments import DIRECTIONS
from .file import File
from .format import Format
from .reader import NO_EFFECT, Section
from .wandb_grid import as_grid

_DEFAULT_COMMAND = ("${env}", "${interpreter}", "${program}", "${args}")
METHODS = {"grid": "grid", "random": "random", "bayes": "gp"}
_OPTIONS = {"gp": {"nu": "1.5"}}  # the kernel of W&B's search
_OF_THE_SERVER = (
    "project", "entity", "name", "description", "job", "image_uri", "apiVersion", "kind",
    "display_name", "version",
)  # fmt: skip
_OF_A_SWEEP = {"method", "metric", "metrics", "program", "command", "early_terminate", "run_cap"}
_NO_ASSESSOR = "--assessor=none"


def _is_sweep(top: Mapping[str, Any]) -> bool:
    """Return whether a mapping is a sweep with more than parameters."""
    has_parameters = "parameters" in top or ("method" in top and "scheduler" in top)
    return has_parameters and not _OF_A_SWEEP.isdisjoint(top)


def read(file: File) -> dict[str, Any]:
    """Return the options of a run; add mistakes and notes to `file`."""
    top = Section(file, file.document.value, ())
    options: dict[str, Any] = {"gpu": "auto", "direction": "minimize"}
    options |= _read_search(top, needs_method=True)
    _read_command(top, options)
    _read_rest(top)
    return options


def read_search(file: File) -> dict[str, Any]:
    """Return the options of a run of another script that concern its search."""
    top = Section(file, file.document.value, ())
    options = _read_search(top, needs_method=False)
    top.no_effect("program", "command", why=f"{NO_EFFECT}: the script of the command line is run")
    _read_rest(top)
    return options


def _read_rest(top: Section) -> None:
    top.no_effect(*_OF_THE_SERVER)
    why = f"{NO_EFFECT}: the search runs on this machine"
    top.no_effect("controller", "scheduler", why=why)
    top.no_effect("prior_runs", why=f"{NO_EFFECT}: use --warm_start or --enqueue for earlier runs")
    top.rest()


# --- the search ---------------------------------------------------------------------------------


def _read_search(top: Section, *, needs_method: bool) -> dict[str, Any]:
    options: dict[str, Any] = {"evaluator": "fulltrail"}
    method = _read_method(top, needs_method)
    if method:
        options |= {"tuning_strategy": method, "strategy_options": _OPTIONS.get(method, {})}
    _read_metric(_metric_of(top), options, needs_metric=needs_method)
    # Data-Juicer's tool reads two fields of its own beside those of W&B.
    options["name"] = top.text("sweep_name")
    most = _most_trials(top)
    options["max_trials"] = top.whole("run_cap") or most
    _read_early_end(top.section("early_terminate"), options)
    return options | _read_parameters(top, method, options["max_trials"])


def _most_trials(top: Section) -> int | None:
    """Return `sweep_max_count`, for which Data-Juicer's example also has `None`."""
    if top.value.get("sweep_max_count") == "None":
        top.skip("sweep_max_count")
        return None
    return top.whole("sweep_max_count")


def _read_method(top: Section, is_needed: bool) -> str | None:
    if "tuning_strategy" in top.file.given:
        top.skip("method")
        return None
    if str(top.value.get("method")).lower() == "custom":
        top.skip("method")
        why = "custom is a search by your own code, which is not supported"
        top.refuse("method", f"{why}; use one of: {', '.join(METHODS)}", "--tuning_strategy=tpe")
        return None
    needed = f"use one of: {', '.join(METHODS)}" if is_needed else ""
    return METHODS.get(top.one_of("method", METHODS, needed) or "")


def _read_parameters(top: Section, method: str | None, run_cap: int | None) -> dict[str, Any]:
    parameters = top.take("parameters")
    if parameters is None:
        inside = " as parameters; scheduler.search_space is not read" if "scheduler" in top else ""
        top.mistake("parameters", f"is missing; give the hyperparameters{inside}")
        return {}
    file = top.file
    if method == "grid":
        parameters = as_grid(file, parameters, ("parameters",))
    space = file.space(replace(file.document, value={"parameters": parameters}, written={}))
    if space is None:
        return {}
    options: dict[str, Any] = dict(space.describe())
    if method == "grid" and run_cap is None:
        options["max_trials"] = size = space.size
        is_capped = file.given.keys() & {"round", "max_trials"}
        if size and size > MOST_TRIALS and not is_capped:
            top.mistake("method", f"{size:,} combinations are too many; give run_cap")
    return options


def _metric_of(top: Section) -> Section:
    """Return the metric, or the first of several."""
    several = list(top.sections("metrics"))
    for other in several[1:]:
        why = f"{NO_EFFECT}: the first metric is the score"
        other.file.note(other.path, f"{other.label()} {why}")
    if several and "metric" in top:
        top.note("metrics", f"{NO_EFFECT} beside metric")
    metric = top.section("metric")
    return metric if metric.value or not several else several[0]


def _read_metric(metric: Section, options: dict[str, Any], *, needs_metric: bool) -> None:
    options["metric"] = metric.text("name")
    metric.gives("metric", "name")
    if options["metric"] is None and needs_metric and "metric" not in metric.file.given:
        metric.file.note(metric.path, "metric.name is not given: the score is what the script "
                                      "reports by autofinetune.report_final_result")  # fmt: skip
    goal = metric.one_of("goal", DIRECTIONS)
    if goal or metric.value:
        options["direction"] = goal or "minimize"
    options["target_score"] = metric.number("target")
    metric.no_effect("impute", "impute_while_running")
    metric.rest()


# --- the command --------------------------------------------------------------------------------


def _read_command(top: Section, options: dict[str, Any]) -> None:
    if "program" not in top and "command" not in top:
        top.skip("program", "command")
        top.file.mistake((), "neither program nor command says what a trial runs")
        top.file.needs_script()
        options |= {"working_dir": str(Path.cwd()), "command": []}
        return
    program, folder = top.text("program"), Path.cwd()
    words = top.words("command") or list(_DEFAULT_COMMAND)
    for index, word in enumerate(words):
        why = "" if word == "${program}" else unknown_macro(word)
        if why:
            top.file.mistake((*top.place("command"), index), f"command[{index}]: {why}")
    if "${program}" in words:
        if program is None:
            top.mistake("program", "is missing; name the script")
        elif not _is_elsewhere(program, words):
            folder = _folder_of(top, program)
    elif program is not None:
        top.note("program", "is not in the command, so it is not run")
    options["working_dir"] = str(folder)
    top.gives("command", "command")
    words = [word.replace("$${", "$$${") for word in words]  # W&B does not treat it specially
    options["command"] = [program or "" if word == "${program}" else word for word in words]
    if not any(map(is_of_a_trial, words)):
        top.note("command", "passes no hyperparameters: the script finds them in wandb.config or, "
                            "as JSON, in the variable AUTOFINETUNE_PARAMS")  # fmt: skip


def _is_elsewhere(program: str, words: Sequence[str]) -> bool:
    """Return whether `program` is a module for `python -m`, or a program such as torchrun."""
    before = dict(zip(words[1:], words, strict=False)).get("${program}")
    return before == "-m" or (shutil.which(program) is not None and not Path(program).is_file())


def _folder_of(top: Section, program: str) -> Path:
    """Return where a trial runs: here, or next to the sweep if the program is only there."""
    here, beside = Path.cwd(), top.file.folder
    if (here / program).is_file():
        return here
    if (beside / program).is_file():
        top.note("program", f"is next to this file, so trials run in {beside}")
        return beside
    if top.file.check_files:
        *places, last = map(str, dict.fromkeys((here, beside)))
        if "/" not in program:
            places, last = [*places, last], "a directory of PATH"
        where = f"{', '.join(places)} or {last}" if places else last
        top.mistake("program", f"{short(program)}: there is no such file in {where}")
        found = _below(here, Path(program).name) or f"<directory>/{Path(program).name}"
        line = f"autofinetune {found} --param_file={top.file.path} --gpu=auto"
        why = "run it in the directory of its program, or give the path of the script"
        top.file.tip = f"{why}: {line}"
    return here


def _below(folder: Path, name: str) -> str:
    """Return the path of a file by this name up to two levels below a directory, or nothing."""
    if not re.fullmatch(r"[\w.-]+", name):
        return ""
    found = (path for depth in ("*", "*/*") for path in folder.glob(f"{depth}/{name}"))
    return next((str(path.relative_to(folder)) for path in found), "")


# --- early stopping -----------------------------------------------------------------------------


def _read_early_end(section: Section, options: dict[str, Any]) -> None:
    """Read `early_terminate`: bands from min_iter are asha, those below max_iter hyperband."""
    if not section.value or "assessor" in section.file.given:
        return
    if str(section.take("type")).lower() != "hyperband":
        why = f"{short(section.value.get('type'))} is unknown; use hyperband"
        section.refuse("type", why, _NO_ASSESSOR)
        return
    eta = section.number("eta")
    if eta is not None and eta < 1.1:
        section.mistake("eta", f"must be at least 1.1, found {eta}")
    found = {"eta": "3" if eta is None else f"{eta!r}"}
    least, most = section.whole("min_iter"), section.whole("max_iter")
    rungs = section.whole("s", 1, 100)
    if section.take("strict") is False:
        section.note("strict", "is always true here: a trial is judged by its value at the band")
    if rungs is not None and most is not None:
        options["assessor"] = "hyperband"
        found |= {"max_steps": str(most), "s": str(rungs)}
        if least is not None:
            section.note("min_iter", f"{NO_EFFECT} beside max_iter and s")
    elif least is not None:
        options["assessor"] = "asha"
        found["min_steps"] = str(least)
        for name in ("max_iter", "s"):
            if name in section:
                section.note(name, f"{NO_EFFECT} beside min_iter")
    elif not any(name in section for name in ("min_iter", "max_iter", "s")):
        section.refuse("min_iter", "is missing; give min_iter, or max_iter and s", _NO_ASSESSOR)
    elif not (most is None and "max_iter" in section):
        section.refuse("max_iter", "and s must be given together; or give min_iter", _NO_ASSESSOR)
    options["assessor_options"] = found
    section.rest()


FORMAT = Format(_is_sweep, read, read_search, is_yaml_1_1=True)
