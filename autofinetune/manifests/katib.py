"""Katib experiments (kubeflow.org), run on this machine instead of a cluster.

The score is what the metrics collector would find: a line `name=value` of the output, or a value
in TensorFlow events.
"""

from __future__ import annotations

from typing import Any

from autofinetune.space.fields import short
from autofinetune.space.katib import is_katib

from .arguments import DIRECTIONS
from .file import File
from .format import Format
from .katib_search import read_algorithm, read_early_stopping
from .katib_template import Template
from .patterns import line_pattern, pattern_of
from .reader import NO_EFFECT, Section

_AT_ONCE = 3  # Katib's default parallelTrialCount


def read(file: File) -> dict[str, Any]:
    """Return the options of a run; add mistakes and notes to `file`."""
    options, spec = _read_search(file)
    if file.mistakes and "nasConfig" in spec:
        return options
    at_once = spec.whole("parallelTrialCount", 1, 1024) or _AT_ONCE
    options |= {"max_parallel": at_once, "popsize": at_once, "gpu": f"auto:{at_once}"}
    template = Template(file, spec.section("trialTemplate", needed="it holds the command"))
    template.read(options)
    spec.rest()
    return options


def read_search(file: File) -> dict[str, Any]:
    """Return the options of a run of another script that concern its search."""
    options, spec = _read_search(file)
    spec.skip("parallelTrialCount")
    spec.no_effect("trialTemplate", why=f"{NO_EFFECT}: the script of the command line is run")
    spec.rest()
    return options


def _read_search(file: File) -> tuple[dict[str, Any], Section]:
    top = Section(file, file.document.value, ())
    top.skip("apiVersion", "kind", "metadata", "status")
    spec = top.section("spec")
    top.rest()
    options: dict[str, Any] = {"evaluator": "fulltrail", "max_trials": spec.whole("maxTrialCount")}
    spec.no_effect("maxFailedTrialCount", why=f"{NO_EFFECT}: --max_failures counts failures in a "
                                              "row soon after starting")  # fmt: skip
    spec.no_effect("resumePolicy", why=f"{NO_EFFECT}: autofinetune resume continues any run")
    if "nasConfig" in spec:
        why = "is an architecture search with Katib's own images, which is not supported"
        spec.mistake("nasConfig", f"{why}; give parameters")
        spec.skip(*spec.value)
        return options, spec
    _read_objective(spec.section("objective", needed="it names the metric"), options)
    _read_collector(spec.section("metricsCollectorSpec"), options)
    spec.skip("parameters")
    space = file.space(file.document)
    options |= space.describe() if space else {}
    read_algorithm(spec.section("algorithm", needed="it names a strategy"), options)
    read_early_stopping(spec.section("earlyStopping"), options)
    return options, spec


# --- the score ----------------------------------------------------------------------------------


def _read_objective(objective: Section, options: dict[str, Any]) -> None:
    direction = objective.one_of("type", DIRECTIONS, needed="use minimize or maximize")
    options["direction"] = direction
    options["target_score"] = objective.number("goal")
    objective.gives("target_score", "goal")
    options["metric"] = name = objective.text("objectiveMetricName", needed="name the metric")
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
    used = ("StdOut", "File", "TensorFlowEvent", "None", "Push")
    if kind not in (*used, "PrometheusMetric", "Custom"):
        collector.mistake("kind", f"{short(kind)} is unknown; use one of: {', '.join(used)}")
    collector.no_effect("customCollector")
    filters = source.section("filter")
    formats = filters.take("metricsFormat")
    path = source.section("fileSystemPath")
    folder, is_json = path.text("path") or "/var/log/katib/metrics.log", path.text("format")
    path.skip("kind")
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
    what = f"{short(folder)} is not read"
    score = {
        "File": "prints in this format, logs with a library,",
        "TensorFlowEvent": "passes to SummaryWriter.add_scalar,",
    }.get(kind)
    if score is None:
        what, score = f"kind {kind} collects nothing here", "logs with a library,"
    told = f"{what}: the score is what the script {score} or reports by"
    spec.file.note(collector.path, f"{collector.label()} {told} autofinetune.report_final_result")


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


FORMAT = Format(is_katib, read, read_search)
