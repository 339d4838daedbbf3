"""`kind: AutoTuneExperiment`, a manifest for a cluster, run on this machine.

A trial runs the command of the first container with `--name=value` for each hyperparameter that
it declares, and with `--saved_params_dir` and `--model_path` if it declares them. If the tasks
have several replicas in total, these are the processes of one trial, with the environment of the
framework, the chief first. Paths below a mounted volume become paths below the directory given by
`--volume`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autofinetune.config.commands import (
    HYPERPARAMETERS,
    MODEL_OPTIONS,
    is_shell_line,
    len_of_shell_line,
    literal,
)
from autofinetune.config.program import MOST_REPLICAS, variables
from autofinetune.runner.ranks import VARIABLES
from autofinetune.space.fields import short
from autofinetune.store.credentials import read_secrets
from autofinetune.store.remote import AISTORE

from .file import File
from .format import Format
from .pods import ends_with_command, main_container, read_cards, read_env, with_references
from .reader import LATER, NO_EFFECT, Section, seconds_of
from .search import read_assessor, read_tuner
from .volumes import Mounts, check_names, read_mounts, read_volumes

KIND = "AutoTuneExperiment"
_TASKS = {  # of each framework, in rank order
    "tensorflow": ("chief", "master", "worker", "ps", "evaluator"),
    "pytorch": ("master", "worker", "node"),
    "xgboost": ("master", "worker"),
}


def read(file: File) -> dict[str, Any]:
    """Return the options of a run; add mistakes and notes to `file`."""
    top = Section(file, file.document.value, ())
    if top.take("apiVersion") not in (None, "tensorstack.dev/v1beta1"):
        top.note("apiVersion", NO_EFFECT)
    top.skip("kind")
    top.no_effect("metadata", "status")
    spec = top.section("spec", needed="it holds the experiment")
    top.rest()
    options: dict[str, Any] = {"evaluator": "fulltrail"}
    options["max_seconds"] = seconds_of(spec, "maxExecSeconds")
    options["max_trials"] = spec.whole("maxTrialNum")
    at_once = spec.whole("trialConcurrency", 1, 1024) or 1
    options |= {"max_parallel": at_once, "popsize": at_once, "gpu": f"auto:{at_once}"}
    document = spec.data("searchSpace")
    if document is not None:
        space = file.space(document)
        options |= space.describe() if space else {}
    elif "searchSpace" not in spec:
        spec.mistake("searchSpace", "is missing; give the hyperparameters as JSON")
    options |= read_tuner(spec.section("tuner", needed="name a strategy"), "builtinTunerName")
    direction = options.get("direction")
    options |= read_assessor(spec.section("assessor"), "builtinAssessorName", direction)
    _read_training(spec.section("trainingConfig", needed="it holds the command"), options)
    _read_aistore(spec, str(_name_of(top)), options)
    spec.no_effect("aimd", "scheduler", "executor", "tensorboard", why=LATER)
    spec.no_effect("storage")
    spec.rest()
    return options


def _name_of(top: Section) -> object:
    metadata = top.value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    return name or "experiment"


def _read_aistore(spec: Section, name: str, options: dict[str, Any]) -> None:
    """Read where the experiment is stored; `--store` replaces it, `--secrets` has its Secret.

    With keys for S3 the folder is a bucket, or a place in one, and gets the run; with a key of
    AIStore it gets each trial as a Run.
    """
    section = spec.section("aistore")
    if not section.value:
        return
    folder = section.text("folder", needed="name the folder that gets the experiment")
    secret = section.text("secret")
    section.rest()
    file = str(spec.file.given.get("secrets") or "")
    found = read_secrets(file, secret or "")
    if file and secret and "#" not in file:
        options["secrets"] = f"{file}#{secret}"
    if folder is None or spec.file.given.get("store"):
        return
    place = folder.strip("/")
    options["store"] = f"{AISTORE}://{place}" if found.s3 is None else f"s3://{place}/{name}"
    spec.gives("store", "aistore")
    spec.note("aistore", f"gives --store={options['store']}")


def _read_training(training: Section, options: dict[str, Any]) -> None:
    if not training.value:
        return
    framework = training.one_of("type", _TASKS, needed=f"use one of: {', '.join(_TASKS)}")
    training.no_effect("runPolicy", "runMode", "scheduler", "torchrunConfig", "tensorboardSpec")
    tasks = [
        found
        for section in training.sections("tasks", needed="give at least one with a command")
        if (found := _read_task(section, framework))
    ]
    training.rest()
    if framework is None or not tasks:
        return
    tasks.sort(key=lambda task: _TASKS[framework].index(task["type"]))
    check_names(training, [task.pop("claims") for task in tasks])
    folders = {task.pop("working_dir") for task in tasks}
    if len(folders) > 1:
        training.mistake("tasks", "have different workingDirs; a trial has one")
    cards = sum(task.pop("cards") * task["replicas"] for task in tasks)
    replicas = sum(task["replicas"] for task in tasks)
    if replicas > MOST_REPLICAS:
        training.mistake("tasks", f"have more than {MOST_REPLICAS} replicas")
    first = tasks[0]
    options |= {"framework": framework, "working_dir": str(folders.pop()),
                "command": first["command"], "env": first["env"]}  # fmt: skip
    if replicas > 1:
        for name in VARIABLES[framework]:
            if any(name in variables(task["env"]) for task in tasks):
                why = "tells their processes apart; autofinetune sets it and ignores env"
                training.note("tasks", f"{name} {why}")
        options |= {"env": [], "tasks": tasks, "ranks_per_trial": replicas}
    if cards:
        # Without cards this gives the same number of CPU slots.
        options |= {"gpu": f"auto:{options['max_parallel'] * cards}", "gpus_per_trial": cards}


def _read_task(task: Section, framework: str | None) -> dict[str, Any] | None:
    kind = task.one_of("type", _TASKS[framework]) if framework else task.take("type")
    replicas = task.whole("replicas", 1, MOST_REPLICAS)
    task.no_effect("restartPolicy", why=f"{NO_EFFECT}; --max_retries says what is retried")
    template = task.section("template", needed="it holds the container with the command")
    task.rest()
    template.no_effect("metadata")
    pod = template.section("spec", needed="it holds the container with the command")
    template.rest()
    claims = read_volumes(pod)
    pod.no_effect("restartPolicy")
    container = main_container(pod, "first")
    found = container and _read_container(container, claims)
    if not found:
        return None
    return {"type": kind or "worker", "replicas": replicas or 1, "claims": claims, **found}


def _read_container(container: Section, claims: Mapping[str, str]) -> dict[str, Any] | None:
    mounts = read_mounts(container, claims)
    env = read_env(container, mounts.of)
    written = [*container.words("command"), *container.words("args")]
    words = [with_references(mounts.of(word), env) for word in written]
    folder = _folder(container, mounts, words)
    cards = read_cards(container)
    container.no_effect("image", "name")
    if not ends_with_command(container, words):
        return None
    container.gives("command", "command")
    if is_shell_line(words):
        why = 'is a shell line: the hyperparameters are in "$@" and, as JSON, in the variable '
        why += "AUTOFINETUNE_PARAMS; its programs get them through t9k.tuner"
        container.note("command", why)
        if (place := mounts.unquotable()) and words != [with_references(w, env) for w in written]:
            why = f"is a shell line, in which {place} would need quotes"
            container.mistake("command", f"{why}; give --volume a link to it")
        if len(words) == len_of_shell_line(words):
            words.append(words[0])  # $0 of the line
    return {
        "command": [*map(literal, words), HYPERPARAMETERS, MODEL_OPTIONS],
        "env": env,
        "working_dir": folder,
        "cards": cards,
    }


def _folder(container: Section, mounts: Mounts, words: Sequence[str]) -> Path:
    """Return the directory in which a trial runs: `workingDir` if it exists on this machine.

    Otherwise it is the first of the manifest's directory, those above it and the current one that
    contains the script.
    """
    file = container.file
    value = container.text("workingDir")
    script = _script(words)
    folder = file.folder / Path(mounts.of(value or ".")).expanduser()
    is_gone = False
    if "working_dir" in file.given:
        folder = Path(str(file.given["working_dir"]))
    elif file.check_files and not folder.is_dir():
        near = (file.folder, *file.folder.parents, Path.cwd())
        folder = next((f for f in near if script and (f / script).is_file()), file.folder)
        is_gone = True
    options = " or ".join(filter(None, ["--working_dir=DIR", mounts.option_for(value or "")]))
    gone = f"{short(value)} is not on this machine" if is_gone else ""
    if file.check_files and script and not (folder / script).is_file():
        why = f"there is no {short(script)} in {folder}"
        why = (
            f"{gone and f'{gone}, and '}{why}; set it with {mounts.option_for(script) or options}"
        )
        container.mistake("workingDir" if is_gone else "command", why)
    elif is_gone:
        container.note("workingDir", f"{gone}: trials run in {folder}; {options} selects another")
    return folder


def _script(words: Sequence[str]) -> str | None:
    """Return the Python script that a command runs, or None if it is not evident."""
    if is_shell_line(words) or "-m" in words[:2] or "-c" in words[:2]:
        return None
    return next((word for word in words if re.fullmatch(r"[^-=][^=]*\.py", word)), None)


FORMAT = Format(lambda top: top.get("kind") == KIND, read)
