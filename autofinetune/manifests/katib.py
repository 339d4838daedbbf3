"""Katib experiments (kubeflow.org), run on this machine instead of a cluster.

A trial runs the command of the primary container, with `${trialParameters.NAME}` replaced in its
words. The score is what the metrics collector would find: a line `name=value` of the output, or a
value in TensorFlow events.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autofinetune.assessors import assessor_class
from autofinetune.config.commands import hparam, literal
from autofinetune.config.program import MOST_REPLICAS
from autofinetune.errors import did_you_mean
from autofinetune.options import Option
from autofinetune.space.fields import short
from autofinetune.space.katib import is_katib
from autofinetune.strategies import strategy_class

from .format import Format
from .patterns import line_pattern, pattern_of
from .pods import OF_A_POD, Container, read_container
from .reader import NO_EFFECT, File, Section
from .search import DIRECTIONS

is_experiment = is_katib
ALGORITHMS = {
    "random": "random", "grid": "grid", "bayesianoptimization": "gp", "tpe": "tpe",
    "multivariate-tpe": "tpe", "cmaes": "hazero", "sobol": "random", "hyperband": "random",
    "pbt": "pbt", "skopt-bayesian-optimization": "gp",
}  # fmt: skip
_INSTEAD = {
    "multivariate-tpe": "tpe is used instead; if optuna is installed, "
                        "--tuning_strategy=optuna:TPESampler --strategy_options=multivariate=true "
                        "is the same",
    "sobol": "random is used instead; if optuna is installed, "
             "--tuning_strategy=optuna:QMCSampler is the same",
    "pbt": "passes no checkpoints on here: every trial is trained from scratch; "
           "--evaluator=populationbased passes models on by its own rule",
}  # fmt: skip
_ARCHITECTURES = ("enas", "darts")
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
_AT_ONCE = 3  # Katib's default parallelTrialCount
_MACRO = re.compile(r"\$\{trialParameters\.([^}]*)\}")
_OF_THE_TRIAL = re.compile(r"\$\{trialSpec\.(\w+)(?:\[([^\]]*)\])?\}\Z")
_OF_A_JOB = (
    "metadata", "runPolicy", "backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished",
    "cleanPodPolicy", "parallelism", "completions", "slotsPerWorker", "elasticPolicy",
    "nprocPerNode", "runtimeRef", "mainContainer", "sshAuthMountPath", "mpiImplementation",
)  # fmt: skip


def read(file: File) -> dict[str, Any]:
    """Return the options of a run; add mistakes and notes to `file`."""
    options, spec = _read_search(file)
    if file.mistakes and "nasConfig" in spec:
        return options
    at_once = spec.whole("parallelTrialCount", 1, 1024) or _AT_ONCE
    options |= {"max_parallel": at_once, "popsize": at_once, "gpu": f"auto:{at_once}"}
    template = _Template(file, spec.section("trialTemplate", needed="it holds the command"))
    template.read(options)
    spec.rest()
    return options


def read_search(file: File) -> dict[str, Any]:
    """Return the options of a run of another script that concern its search."""
    options, spec = _read_search(file)
    spec.take("parallelTrialCount")
    spec.no_effect("trialTemplate", why=f"{NO_EFFECT}: the script of the command line is run")
    spec.rest()
    return options


def _read_search(file: File) -> tuple[dict[str, Any], Section]:
    top = Section(file, file.document.value, ())
    for name in ("apiVersion", "kind", "metadata", "status"):
        top.take(name)
    spec = top.section("spec")
    top.rest()
    options: dict[str, Any] = {"evaluator": "fulltrail", "max_trials": spec.whole("maxTrialCount")}
    spec.no_effect("maxFailedTrialCount", why=f"{NO_EFFECT}: --max_failures counts failures in a "
                                              "row soon after starting")  # fmt: skip
    spec.no_effect("resumePolicy", why=f"{NO_EFFECT}: autofinetune resume continues any run")
    if "nasConfig" in spec:
        spec.mistake("nasConfig", "is an architecture search with Katib's own images, which is "
                                  "not supported; give parameters")  # fmt: skip
        for name in spec.value:
            spec.take(name)
        return options, spec
    _read_objective(spec.section("objective", needed="it names the metric"), options)
    _read_collector(spec.section("metricsCollectorSpec"), options)
    spec.take("parameters")
    space = file.space(file.document)
    options |= space.describe() if space else {}
    _read_algorithm(spec.section("algorithm", needed="it names a strategy"), options)
    _read_early_stopping(spec.section("earlyStopping"), options)
    return options, spec


# --- the score ----------------------------------------------------------------------------------


def _read_objective(objective: Section, options: dict[str, Any]) -> None:
    direction = objective.one_of("type", DIRECTIONS, needed="use minimize or maximize")
    options["direction"] = direction
    options["target_score"] = objective.number("goal")
    objective.gives("target_score", "goal")
    name = objective.text("objectiveMetricName", needed="name the metric")
    options["metric"] = name
    objective.gives("metric", "objectiveMetricName")
    objective.no_effect("additionalMetricNames")
    best = {"minimize": "min", "maximize": "max"}.get(direction or "", "")
    options["final"] = "best"  # Katib's default
    for index, strategy in enumerate(objective.sections("metricStrategies")):
        named, value = strategy.text("name"), strategy.text("value")
        strategy.rest()
        if named != name or not best:
            continue
        objective.file.origins["final"] = (*objective.place("metricStrategies"), index)
        if value == "latest":
            options["final"] = "last"
        elif value != best and "final" not in objective.file.given:
            why = f"{short(value)} does not fit {direction}; use {best} or latest"
            strategy.refuse("value", why, "--final=best")
    objective.rest()


def _read_collector(spec: Section, options: dict[str, Any]) -> None:
    source, collector = spec.section("source"), spec.section("collector")
    kind = collector.text("kind") or "StdOut"
    if kind not in ("StdOut", "File", "TensorFlowEvent", "PrometheusMetric", "Custom", "None",
                    "Push"):  # fmt: skip
        collector.mistake("kind", f"{short(kind)} is unknown; use one of: StdOut, File, "
                                  "TensorFlowEvent, None, Push")  # fmt: skip
    collector.no_effect("customCollector")
    filters = source.section("filter")
    formats = filters.take("metricsFormat")
    path = source.section("fileSystemPath")
    folder, is_json = path.text("path") or "/var/log/katib/metrics.log", path.text("format")
    path.take("kind")
    source.no_effect("httpGet")
    for section in (path, filters, source, collector, spec):
        section.rest()
    name = options["metric"]
    if name is None:
        return
    if kind in ("StdOut", "File") and is_json != "JSON":
        options["metric_pattern"] = _pattern(filters, formats, name)
        if kind == "StdOut":
            options["metric"] = None  # what a library logs does not count
            return
    told = {
        "File": f"{short(folder)} is not read: the score is what the script prints in this "
                "format, logs with a library, or reports by autofinetune.report_final_result",
        "TensorFlowEvent": f"{short(folder)} is not read: the score is what the script passes to "
                           "SummaryWriter.add_scalar, or reports by "
                           "autofinetune.report_final_result",
    }  # fmt: skip
    other = (f"kind {kind} collects nothing here: the score is what the script logs with a "
             "library, or reports by autofinetune.report_final_result")  # fmt: skip
    spec.file.note(collector.path, f"{collector.label()} {told.get(kind, other)}")


def _pattern(filters: Section, formats: Any, name: str) -> str | None:
    """Return the pattern of the first metricsFormat for the metric of this name."""
    if formats is None:
        return line_pattern(name)
    if not (isinstance(formats, list) and formats and all(isinstance(f, str) for f in formats)):
        filters.mistake("metricsFormat", f"must be a list of patterns, found {short(formats)}")
        return None
    if len(formats) > 1:
        filters.note("metricsFormat", "only the first one is used")
    try:
        found = pattern_of(formats[0], name)
    except ValueError as error:
        if "metric_pattern" not in filters.file.given:
            why = f"{short(formats[0])} {error}; give --metric_pattern instead"
            filters.mistake("metricsFormat", why)
        return None
    filters.gives("metric_pattern", "metricsFormat")
    return found


# --- the search ---------------------------------------------------------------------------------


def _read_algorithm(algorithm: Section, options: dict[str, Any]) -> None:
    name = algorithm.text("algorithmName", needed=f"use one of: {', '.join(ALGORITHMS)}")
    settings = _Settings(algorithm)
    algorithm.rest()
    if name is None or "tuning_strategy" in algorithm.file.given:
        return
    if name not in ALGORITHMS:
        what = "searches architectures with Katib's own images, which is not supported"
        why = what if name in _ARCHITECTURES else "is unknown"
        why = f"{short(name)} {why}; use one of: {', '.join(ALGORITHMS)}"
        why += did_you_mean(name[:60], ALGORITHMS)
        algorithm.refuse("algorithmName", why, "--tuning_strategy=tpe")
        return
    if name in _INSTEAD:
        algorithm.note("algorithmName", f"{name}: {_INSTEAD[name]}")
    strategy = ALGORITHMS[name]
    options["tuning_strategy"] = strategy
    algorithm.gives("tuning_strategy", "algorithmName")
    for own in ("random_state", "seed"):
        seed = settings.number(own)
        if seed is not None and 0 <= seed < 2**63 and seed == int(seed):
            options["seed"] = int(seed)
    if name == "hyperband":
        _read_hyperband(algorithm, settings, options)
    options["strategy_options"] = settings.checked(strategy_class(strategy).OPTIONS, name)
    if name == "grid" and options["max_trials"] is None:
        algorithm.note("algorithmName", "the grid ends when the space is exhausted")


def _read_hyperband(algorithm: Section, settings: _Settings, options: dict[str, Any]) -> None:
    """Read Katib's hyperband, which trains for few epochs first and for more later.

    Here every trial gets the largest number of epochs, and the assessor stops most of them early.
    """
    resource = settings.text("resource_name")
    most, eta = settings.number("r_l"), settings.number("eta")
    if resource is None or most is None:
        algorithm.mistake("algorithmSettings", "of hyperband must contain resource_name and r_l")
        return
    entries = options.get("param_list", [])
    names = [entry["name"] for entry in entries]
    resource = resource.lstrip("-")
    if names and resource not in names:
        why = f"resource_name {short(resource)} is not a parameter{did_you_mean(resource, names)}"
        algorithm.mistake("algorithmSettings", why)
        return
    whole = max(1, int(most))
    for index, entry in enumerate(entries):
        if entry["name"] == resource:
            entries[index] = {"name": resource, "type": "constant", "value": whole}
    options["assessor"] = "hyperband"
    options["assessor_options"] = {"max_steps": str(whole), "eta": f"{eta or 3:g}"}
    algorithm.note("algorithmSettings", f"{resource} is {whole} in every trial, and the assessor "
                   "hyperband stops hopeless ones early by their intermediate values")  # fmt: skip


def _read_early_stopping(early: Section, options: dict[str, Any]) -> None:
    if not early.value:
        return
    name = early.text("algorithmName", needed="Katib has medianstop")
    settings = _Settings(early)
    early.rest()
    if name is None or "assessor" in early.file.given:
        return
    if name != "medianstop":
        why = f"{short(name)} is unknown; Katib has medianstop"
        early.refuse("algorithmName", why, "--assessor=none")
        return
    options["assessor"] = "medianstop"
    early.gives("assessor", "algorithmName")
    own = {"min_completed": "3", "start_step": "4"}  # Katib's defaults
    settings.rename("min_trials_required", "min_completed")
    found = settings.checked(assessor_class("medianstop").OPTIONS, name)
    options["assessor_options"] = own | found


class _Settings:
    """The `algorithmSettings` of a section by name."""

    def __init__(self, section: Section) -> None:
        self._section = section
        self._found: dict[str, tuple[Section, Any]] = {}
        for setting in section.sections("algorithmSettings"):
            name, value = setting.text("name", needed="name the setting"), setting.take("value")
            setting.rest()
            if name is not None:
                self._found[name] = (setting, value)

    def rename(self, old: str, new: str) -> None:
        if old in self._found:
            self._found[new] = self._found.pop(old)

    def text(self, name: str) -> str | None:
        return str(self._found.pop(name)[1]) if name in self._found else None

    def number(self, name: str) -> float | None:
        if name not in self._found:
            return None
        setting, value = self._found.pop(name)
        try:
            return float(str(value))
        except ValueError:
            setting.mistake("value", f"must be a number, found {short(value)}")
            return None

    def checked(self, options: Mapping[str, Option], owner: str) -> dict[str, str]:
        """Return the settings that the plug-in has, by name; add a note for every other one."""
        known = dict(options)
        known |= {also: option for option in options.values() for also in option.also}
        found = {}
        for name, (setting, value) in self._found.items():
            if name not in known:
                setting.note("name", f"{name[:60]} {NO_EFFECT}")
                continue
            try:
                known[name].read(value)
                found[name] = str(value)
            except ValueError:
                setting.mistake("value", f"of {name} must be {known[name].allowed}, "
                                         f"found {short(value)}")  # fmt: skip
        return found


# --- the command --------------------------------------------------------------------------------


class _Template:
    """What a trial runs: `trialSpec` with `trialParameters` filled in."""

    def __init__(self, file: File, section: Section) -> None:
        self._file = file
        self._section = section
        metadata = file.document.value.get("metadata")
        self._metadata = metadata if isinstance(metadata, Mapping) else {}
        self._line = f"autofinetune train.py --param_file={file.path} --gpu=auto"
        self._job = section.section("trialSpec")
        self._primary = section.text("primaryContainerName")
        section.no_effect("primaryPodLabels", "retain", "successCondition", "failureCondition")
        self._parameters = self._read_parameters()

    def read(self, options: dict[str, Any]) -> None:
        """Add the options that define what a trial runs."""
        options["working_dir"] = str(self._file.folder)
        for name in ("configMap", "goTemplate"):
            if name in self._section:
                what = "lies in a cluster" if name == "configMap" else "is a Go template"
                self._section.mistake(name, f"{what} and is not read here; write it as trialSpec")
                self._file.tip = f"give the script first: {self._line}"
            self._section.take(name)
        if not self._job.value:
            if self._section.value and self._file.tip is None:
                self._section.mistake("trialSpec", "is missing; it holds the command")
                self._file.tip = f"give the script first: {self._line}"
            self._section.rest()
            return
        self._section.rest()
        kind = self._job.text("kind", needed=f"use one of: {', '.join(JOBS)}")
        self._job.take("apiVersion")
        if kind is not None and kind not in JOBS:
            why = f"{short(kind)} is not supported; use one of: {', '.join(JOBS)}"
            self._job.mistake("kind", why + did_you_mean(kind[:60], JOBS))
            self._file.tip = f"give the script first: {self._line}"
        elif kind is not None:
            self._take(kind, self._replicas(kind), options)

    def _read_parameters(self) -> dict[str, str]:
        """Return the text for each macro by name."""
        found: dict[str, str] = {}
        for one in self._section.sections("trialParameters"):
            name = one.text("name", needed="name the parameter")
            reference = one.text("reference", needed="say which parameter it stands for")
            one.take("description")
            one.rest()
            if name and reference:
                about = _OF_THE_TRIAL.match(reference)
                found[name] = self._about(one, about) if about else hparam(reference.lstrip("-"))
        return found

    def _about(self, section: Section, asked: re.Match[str]) -> str:
        """Return the text for a reference to the trial itself, such as `${trialSpec.Name}`."""
        own = self._job.value.get("metadata")
        own = own if isinstance(own, Mapping) else {}
        key, within = asked[1], asked[2]
        if key in ("Labels", "Annotations"):
            inside = own.get(key.lower())
            return str(inside.get(within, "") if isinstance(inside, Mapping) else "")
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
        job.take("metadata")
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
            replica.take("restartPolicy")
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
        for name in _OF_A_JOB:
            spec.take(name)
        spec.rest()

    def _of_pod(self, around: Section) -> Container | None:
        template = around.section("template", needed="it holds the container with the command")
        template.take("metadata")
        pod = template.section("spec", needed="it holds the container with the command")
        template.rest()
        containers = list(pod.sections("containers", needed="give one with a command"))
        pod.take("restartPolicy")
        pod.no_effect(*OF_A_POD)
        pod.rest()
        named = [one for one in containers if one.value.get("name") == self._primary]
        for other in containers:
            if other is not (named or containers)[0]:
                other.file.note(other.path, f"{other.label()} is not run: only the primary "
                                            "container is")  # fmt: skip
        if not containers:
            return None
        return read_container((named or containers)[0], self._word, self._value)

    def _word(self, text: str) -> str:
        """Return the word of a template for a word of the command."""
        parts = _MACRO.split(text)
        words = [literal(part) for part in parts]
        for index in range(1, len(parts), 2):
            words[index] = self._given(parts[index])
        return "".join(words)

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
            raise ValueError(
                f"${{trialParameters.{name[:60]}}} is not among trialParameters{guess}"
            )
        return self._parameters[name]

    # --- what is run ----------------------------------------------------------------------------

    def _take(
        self, kind: str, replicas: Sequence[tuple[str, int, Container]], options: dict[str, Any]
    ) -> None:
        if not replicas:
            self._file.tip = f"give the script first: {self._line}"
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
        if not self._file.check_files:
            return words
        section.mistake("command", f"{short(script)} of the image {container.image[:200]} is not "
                                   f"on this machine, and there is no {beside} next to this "
                                   "file")  # fmt: skip
        self._file.tip = (
            f"put {beside} next to this file, or give the path of the script: autofinetune "
            f"<directory>/{beside} --param_file={self._file.path} --gpu=auto"
        )
        return words


FORMAT = Format(is_experiment, read, read_search)
