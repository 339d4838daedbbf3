"""NNI experiment configurations: version 1 (`trial: {command: ...}`) and 2 (`trialCommand`).

A trial runs the command as written, without options; it finds its hyperparameters in the
environment. Field names are compared without case and underscores.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autofinetune.config.commands import literal, of_line
from autofinetune.errors import ConfigError, UsageError
from autofinetune.space import Document, read_yaml
from autofinetune.space.fields import short

from .file import File
from .format import Format
from .reader import NO_EFFECT, Section, seconds_of
from .search import read_assessor, read_tuner

_OF_NNI = (
    "authorName", "experimentName", "experimentType", "nniManagerIp", "debug", "logLevel",
    "versionCheck", "logCollection", "tunerGpuIndices", "multiThread", "sharedStorage",
)  # fmt: skip
_NOT_HERE = {
    "useAnnotation": "is not supported: give a search space instead of annotations",
    "multiPhase": "is not supported: a trial asks for its parameters once",
}
_OTHER_PLATFORMS = (
    "machineList", "remoteConfig", "paiConfig", "paiYarnConfig", "kubeflowConfig", "dltsConfig",
    "amlConfig", "adlConfig", "dlcConfig", "frameworkcontrollerConfig", "hybridConfig",
)  # fmt: skip
_OF_A_CLUSTER = ("cpuNum", "memoryMB", "image", "virtualCluster", "shmMB", "namespace")
_NO = ("no", "off", "false")  # words in YAML 1.2, booleans in YAML 1.1
_WHERE = f"{NO_EFFECT}; --output_dir says where results go"


def read(file: File) -> dict[str, Any]:
    """Return the options of a run; add mistakes and notes to `file`."""
    top = Section(file, file.document.value, (), is_loose=True)
    is_first = "trial" in top or (
        "trialCommand" not in top and ("searchSpacePath" in top or "maxTrialNum" in top)
    )
    service = _local_service(top, is_first)
    for name, why in _NOT_HERE.items():
        value = top.take(name)
        if value and str(value).lower() not in _NO:
            top.mistake(name, why)
    blockers, remedies = len(file.mistakes), len(file.remedies)
    options: dict[str, Any] = {"evaluator": "fulltrail"}
    at_once = top.whole("trialConcurrency", 1, 1024) or 1
    if "trialConcurrency" not in top:
        top.mistake("trialConcurrency", "is missing; say how many trials run at once")
    options |= {"max_parallel": at_once, "popsize": at_once}
    if is_first:
        _read_first(top, options, at_once)
    else:
        _read_second(top, service, options, at_once)
    if "assessor" in options:
        options["stop_grace"] = 0.0  # NNI kills a trial without asking it to stop
    top.no_effect(*_OF_NNI)
    top.no_effect("logDir", "experimentWorkingDirectory", why=_WHERE)
    top.rest()
    if blockers:  # the rest of the file is meant for an unsupported platform
        if remedies < blockers or len(file.remedies) < len(file.mistakes):
            file.remedies.clear()  # more is wrong than the remedies replace
        del file.mistakes[blockers:]
    return options


def _read_first(top: Section, options: dict[str, Any], at_once: int) -> None:
    options["max_seconds"] = seconds_of(top, "maxExecDuration")
    options["max_trials"] = top.whole("maxTrialNum")
    _read_search(top, "builtin{}Name", options)
    _read_space_file(top, "searchSpacePath", options)
    trial = top.section("trial", needed="it holds the command")
    _read_command(trial, "command", "codeDir", options)
    cards = trial.whole("gpuNum", 0, 1024)
    trial.gives("gpus_per_trial", "gpuNum")
    if "trainingServicePlatform" in top and _is_elsewhere(top.take("trainingServicePlatform")):
        trial.no_effect(*_OF_A_CLUSTER)
    trial.rest()
    local = top.section("localConfig")
    _read_cards(local, cards, "maxTrialNumPerGpu", options, at_once)
    local.rest()
    top.no_effect(*_OTHER_PLATFORMS)


def _read_second(top: Section, service: Section, options: dict[str, Any], at_once: int) -> None:
    options["max_seconds"] = seconds_of(top, "maxExperimentDuration")
    options["max_trials"] = top.whole("maxTrialNumber")
    options["trial_timeout"] = seconds_of(top, "maxTrialDuration")
    _read_search(top, "name", options)
    if "searchSpace" in top and "searchSpaceFile" in top:
        top.mistake("searchSpaceFile", "and searchSpace cannot both be given")
    elif "searchSpace" in top:
        if document := top.data("searchSpace"):
            options |= _space_of(top, "searchSpace", document)
        top.skip("searchSpaceFile")
    else:
        _read_space_file(top, "searchSpaceFile", options)
    _read_command(top, "trialCommand", "trialCodeDirectory", options)
    cards = top.whole("trialGpuNumber", 0, 1024)
    top.gives("gpus_per_trial", "trialGpuNumber")
    _read_cards(service, cards, "maxTrialNumberPerGpu", options, at_once)
    service.no_effect("reuseMode", "debug", "trialCommand", "trialCodeDirectory", "logCollection")
    service.rest()


def _read_search(top: Section, field: str, options: dict[str, Any]) -> None:
    """Read the tuner and the assessor, or the advisor, which is both; `field` has their names."""
    kind = "Advisor" if "advisor" in top else "Tuner"
    needed = "" if "tuning_strategy" in top.file.given else "name a strategy"
    options |= read_tuner(top.section(kind.lower(), needed=needed), field.format(kind))
    if kind == "Advisor":
        top.no_effect("tuner", "assessor", why=f"{NO_EFFECT} beside an advisor")
    elif "assessor" in options:
        top.no_effect("assessor", why=f"{NO_EFFECT} beside this tuner, which stops trials itself")
    else:
        found = top.section("assessor")
        options |= read_assessor(found, field.format("Assessor"), options.get("direction"))


def _local_service(top: Section, is_first: bool) -> Section:
    """Return the section of the platform `local`; another is a mistake unless --gpu is given.

    A trial of another platform may depend on its container, so it is run here only if the command
    line selects devices for it.
    """
    if is_first:
        _check_platform(top, "trainingServicePlatform")
        return Section(top.file, {}, ())
    if not isinstance(top.take("trainingService"), list):
        service = top.section("trainingService")
        _check_platform(service, "platform")
        return service
    services = list(top.sections("trainingService", needed="name one: platform: local"))
    for service in services:
        _check_platform(service, "platform")
    local = [s for s in services if not _is_elsewhere(s.take("platform"))]
    for service in services:
        if service not in local[:1]:
            service.file.note(service.path, f"{service.label()} {NO_EFFECT}: trials run here")
    return local[0] if local else Section(top.file, {}, ())


def _is_elsewhere(platform: Any) -> bool:
    return platform is not None and str(platform).lower() != "local"


def _check_platform(section: Section, name: str) -> None:
    platform = section.text(name)
    if not _is_elsewhere(platform):
        return
    if "gpu" in section.file.given:
        section.note(name, f"{short(platform)} {NO_EFFECT}: trials run on this machine")
        return
    why = f"{short(platform)} is not supported; trials run on this machine: local"
    section.refuse(name, why, "--gpu=auto")


def _read_space_file(top: Section, name: str, options: dict[str, Any]) -> None:
    value = top.text(name, needed="name the file of the search space")
    if value is None:
        return
    try:
        document = read_yaml(Path(top.file.folder, Path(value).expanduser()))
    except ConfigError as error:
        top.file.mistakes += error.mistakes
    except UsageError as error:
        top.mistake(name, error.message)
    else:
        options |= _space_of(top, name, document)


def _space_of(top: Section, name: str, document: Document) -> Mapping[str, Any]:
    if document.value in ({}, None):
        top.mistake(name, "contains no hyperparameters; give at least one")
        return {}
    space = top.file.space(document)
    return space.describe() if space else {}


def _read_command(section: Section, name: str, folder: str, options: dict[str, Any]) -> None:
    line = section.text(name, needed="say how a trial is started")
    options["working_dir"] = str(section.folder(folder))
    if line is None:
        return
    try:
        words = of_line(line)
    except ValueError as error:
        section.mistake(name, f"cannot be split into words: {error}")
        return
    if words[:2] == ("bash", "-c"):
        section.note(name, "is a shell line and runs as one: bash -c ...")
    section.gives("command", name)
    options |= {"command": [*map(literal, words)], "nni_wire": True}


def _read_cards(
    section: Section, cards: int | None, per_card: str, options: dict[str, Any], at_once: int
) -> None:
    """Read the slots. A trial is one process, whatever its number of cards; `cards` may be absent.

    The field `per_card` has the number of trials that share a card.
    """
    if str(section.take("useActiveGpu")).lower() in _NO:
        section.note("useActiveGpu", f"{NO_EFFECT}: cards that other processes use are used, "
                                     "too; --gpu=0,1 or gpuIndices select cards, and "
                                     "--min_free_gpu_gb=8 waits for free memory")  # fmt: skip
    each = section.whole(per_card, 1, 1024)
    value = section.take("gpuIndices")
    listed = value if isinstance(value, list) else str(value).split(",")
    indices = [] if value is None else [str(index).strip() for index in listed]
    section.gives("gpu", "gpuIndices")
    section.gives("trials_per_gpu", per_card)
    if not all(index.isascii() and index.isdigit() for index in indices):
        section.mistake("gpuIndices", f"must be numbers of cards, found {short(value)}")
    if cards == 0:
        options["gpu"] = f"cpu:{at_once}"
        section.no_effect("gpuIndices", per_card, why=f"{NO_EFFECT}: trials get no card")
        return
    if cards is None:
        why = "each trial gets one card if there are any; NNI would show it all of them"
        section.file.note((), f"no number of cards is given: {why}")
    options["gpu"] = ",".join(indices) or f"auto:{at_once * (cards or 1)}"
    options |= {"trials_per_gpu": each or 1, "gpus_per_trial": cards or 1, "ranks_per_trial": 1}


_OWN_KEYS = {"trial", "trialcommand", "searchspacepath", "searchspacefile", "trialconcurrency"}


def _is_configuration(top: Mapping[str, Any]) -> bool:
    return not _OWN_KEYS.isdisjoint(str(key).replace("_", "").lower() for key in top)


FORMAT = Format(_is_configuration, read, is_yaml_1_1=True)
