"""The trial template of a Katib experiment: the command of a job in a cluster, run here.

A trial runs the command of the primary container, with `${trialParameters.NAME}` replaced in its
words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autofinetune.config.commands import literal
from autofinetune.config.program import MOST_REPLICAS
from autofinetune.errors import did_you_mean
from autofinetune.space.fields import short, unknown

from .file import File
from .pods import Container, main_container, read_container
from .reader import NO_EFFECT, Section

# The field with the replicas of a job, and the framework whose environment they get.
JOBS = {
    "Job": ("", ""),
    "PyTorchJob": ("pytorchReplicaSpecs", "pytorch"),
    "TFJob": ("tfReplicaSpecs", "tensorflow"),
    "XGBoostJob": ("xgbReplicaSpecs", "xgboost"),
    "MPIJob": ("mpiReplicaSpecs", ""),
    "PaddleJob": ("paddleReplicaSpecs", ""),
    "JAXJob": ("jaxReplicaSpecs", ""),
    "TrainJob": ("", "pytorch"),
}
_RANKS = ("chief", "master", "launcher", "worker", "ps", "evaluator")
_MACRO = re.compile(r"\$\{trialParameters\.([^}]*)\}")
_OF_THE_TRIAL = re.compile(r"\$\{trialSpec\.(\w+)(?:\[([^\]]*)\])?\}\Z")
_OF_A_JOB = (
    "metadata", "runPolicy", "backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished",
    "cleanPodPolicy", "parallelism", "completions", "slotsPerWorker", "elasticPolicy",
    "nprocPerNode", "runtimeRef", "mainContainer", "sshAuthMountPath", "mpiImplementation",
)  # fmt: skip


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


class Template:
    """What a trial runs: `trialSpec` with `trialParameters` filled in."""

    def __init__(self, file: File, section: Section) -> None:
        self._file = file
        self._section = section
        self._metadata = _mapping(file.document.value.get("metadata"))
        self._job = section.section("trialSpec")
        self._primary = section.text("primaryContainerName")
        section.no_effect("primaryPodLabels", "retain", "successCondition", "failureCondition")
        self._parameters = self._read_parameters()

    def read(self, options: dict[str, Any]) -> None:
        """Add the options that define what a trial runs."""
        options["working_dir"] = str(self._file.folder)
        self._section.skip("configMap", "goTemplate")
        self._section.rest()
        for name, what in (("configMap", "lies in a cluster"), ("goTemplate", "is a Go template")):
            if name in self._section:
                self._section.mistake(name, f"{what} and is not read here; write it as trialSpec")
                self._file.needs_script()
        if not self._job.value:
            if self._section.value and self._file.tip is None:
                self._section.mistake("trialSpec", "is missing; it holds the command")
                self._file.needs_script()
            return
        kind = self._job.text("kind", needed=f"use one of: {', '.join(JOBS)}")
        self._job.skip("apiVersion")
        if kind is not None and kind not in JOBS:
            self._job.mistake("kind", unknown(kind, JOBS, "is not supported; use one of"))
            self._file.needs_script()
        elif kind is not None:
            self._take(kind, self._replicas(kind), options)

    def _read_parameters(self) -> dict[str, str]:
        """Return the text for each macro by name."""
        found: dict[str, str] = {}
        for one in self._section.sections("trialParameters"):
            name = one.text("name", needed="name the parameter")
            reference = one.text("reference", needed="say which parameter it stands for")
            one.skip("description")
            one.rest()
            if name and reference:
                about = _OF_THE_TRIAL.match(reference)
                value = f"${{hparam:{reference.lstrip('-')}}}"
                found[name] = self._about(one, about) if about else value
        return found

    def _about(self, section: Section, asked: re.Match[str]) -> str:
        """Return the text for a reference to the trial itself, such as `${trialSpec.Name}`."""
        key, within = asked[1], asked[2]
        if key in ("Labels", "Annotations"):
            inside = _mapping(_mapping(self._job.value.get("metadata")).get(key.lower()))
            return str(inside.get(within, ""))
        if key in ("Kind", "APIVersion"):
            return str(self._job.value.get("kind" if key == "Kind" else "apiVersion", ""))
        if key == "Name":
            section.note("reference", f"{asked[0]} is the name of the experiment here; "
                                      "AUTOFINETUNE_TRIAL tells trials apart")  # fmt: skip
        return str(self._metadata.get(key.lower(), ""))

    # --- the containers -------------------------------------------------------------------------

    def _replicas(self, kind: str) -> list[tuple[str, int, Container]]:
        """Return each kind of replica with its number and its container, in rank order."""
        job = self._job
        spec = job.section("spec", needed="it holds the container with the command")
        job.skip("metadata")
        job.rest()
        if kind == "TrainJob":
            return self._of_train_job(spec)
        if kind == "Job":
            container = self._of_pod(spec)
            self._rest(spec)
            return [("worker", 1, container)] if container else []
        field = JOBS[kind][0]
        specs = spec.section(field, needed="it holds the replicas")
        found = []
        for name in specs.value:
            replica = specs.section(name)
            count = replica.whole("replicas", 1, MOST_REPLICAS) or 1
            replica.skip("restartPolicy")
            if kind == "MPIJob" and name.lower() != "launcher":
                specs.note(name, f"{NO_EFFECT}: mpirun starts its processes on this machine")
                continue
            container = self._of_pod(replica)
            replica.rest()
            if name.lower() not in _RANKS:
                specs.mistake(name, f"is unknown; use one of: {', '.join(_RANKS)}")
            elif container:
                found.append((name.lower(), count, container))
        self._rest(spec)
        return sorted(found, key=lambda one: _RANKS.index(one[0]))

    def _of_train_job(self, spec: Section) -> list[tuple[str, int, Container]]:
        trainer = spec.section("trainer", needed="it holds the command")
        count = trainer.whole("numNodes", 1, MOST_REPLICAS) or 1
        trainer.no_effect("numProcPerNode", "resourcesPerNode")
        container = read_container(trainer, self._word, self._value)
        self._rest(spec)
        return [("worker", count, container)] if container else []

    def _rest(self, spec: Section) -> None:
        spec.skip(*_OF_A_JOB)
        spec.rest()

    def _of_pod(self, around: Section) -> Container | None:
        template = around.section("template", needed="it holds the container with the command")
        template.skip("metadata")
        pod = template.section("spec", needed="it holds the container with the command")
        template.rest()
        pod.skip("restartPolicy")
        container = main_container(pod, "primary", self._primary)
        return read_container(container, self._word, self._value) if container else None

    def _word(self, text: str) -> str:
        """Return the word of a template for a word of the command."""
        parts = _MACRO.split(text)
        parts[::2] = map(literal, parts[::2])
        parts[1::2] = map(self._given, parts[1::2])
        return "".join(parts)

    def _value(self, text: str) -> str:
        """Return the value of a variable, which must not contain a hyperparameter."""

        def what(found: re.Match[str]) -> str:
            given = self._given(found[1])
            if given.startswith("${hparam:"):
                raise ValueError(f"{found[0]} is a hyperparameter, which can be used only in the "
                                 "command; AUTOFINETUNE_PARAMS contains all of them")  # fmt: skip
            return given

        return _MACRO.sub(what, text)

    def _given(self, name: str) -> str:
        if name not in self._parameters:
            guess = did_you_mean(name[:60], self._parameters)
            macro = f"${{trialParameters.{name[:60]}}}"
            raise ValueError(f"{macro} is not among trialParameters{guess}")
        return self._parameters[name]

    # --- what is run ----------------------------------------------------------------------------

    def _take(
        self, kind: str, replicas: Sequence[tuple[str, int, Container]], options: dict[str, Any]
    ) -> None:
        if not replicas:
            self._file.needs_script()
            return
        framework, count = JOBS[kind][1], sum(one[1] for one in replicas)
        if count > 1 and not framework:
            self._job.mistake("spec", f"{kind} with several replicas is not supported")
        container = replicas[0][2]
        image, folder = container.image[:200], self._file.folder
        why = f"runs on this machine, not in the image {image}, with the working directory"
        self._job.note("spec", f"{why} {folder}")
        tasks = [
            {"type": name, "replicas": number, "command": self._found(one), "env": list(one.env)}
            for name, number, one in replicas
        ]
        options |= {"command": tasks[0]["command"], "env": tasks[0]["env"]}
        self._file.origins["command"] = self._job.place("spec")
        if count > 1:
            options |= {"env": [], "tasks": tasks, "ranks_per_trial": count,
                        "framework": framework or "pytorch"}  # fmt: skip
        cards = sum(number * one.cards for _, number, one in replicas)
        if cards:
            at_once = options["max_parallel"]
            options |= {"gpu": f"auto:{at_once * cards}", "gpus_per_trial": cards}

    def _found(self, container: Container) -> list[str]:
        """Return the words of the command, with the path of its script on this machine."""
        words, folder, section = list(container.words), self._file.folder, container.section
        place = next((i for i, word in enumerate(words) if word.endswith((".py", ".sh"))), None)
        if place is None or (folder / words[place]).is_file():
            return words
        script, beside = words[place], Path(words[place]).name
        if (folder / beside).is_file():
            why = f"{short(script)} is not on this machine; {beside} next to this file is used"
            section.note("command", why)
            words[place] = beside
            return words
        if self._file.check_files:
            why = f"of the image {container.image[:200]} is not on this machine, and there is no"
            section.mistake("command", f"{short(script)} {why} {beside} next to this file")
            line = f"autofinetune <directory>/{beside} --param_file={self._file.path} --gpu=auto"
            why = f"put {beside} next to this file, or give the path of the script"
            self._file.tip = f"{why}: {line}"
        return words
