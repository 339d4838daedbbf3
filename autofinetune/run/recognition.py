"""How a script gets its hyperparameters and its models, from what stands in it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence

from autofinetune.config.commands import MODEL_PATH_MACRO
from autofinetune.config.config import MODEL_PATH, OWN_OPTIONS, Config
from autofinetune.config.passing import CALLS, HYDRA, OPTIONS
from autofinetune.errors import UsageError
from autofinetune.evaluators import EVALUATORS, start_of_command
from autofinetune.run.script_source import Source, source_of


def recognized(
    config: Config,
    env: Mapping[str, str],
    tell: Callable[[str], None],
    *,
    may_change_evaluator: bool,
) -> Config:
    """Return the config as its script wants it, which is read here and not run.

    Args:
        config: as typed.
        env: of the tuner.
        tell: takes a sentence about what was found.
        may_change_evaluator: whether `--evaluator` was not typed, so that a script that cannot
            continue models may get every trial from scratch.
    """
    commands = config.program.commands or (start_of_command(config),)
    sources = [
        source_of(start_of_command(config, words), config.working_dir, env) for words in commands
    ]
    if _is_silent(config, sources):
        tell(_SILENT.format(config.called))
    source = sources[0]
    if source is None or config.program.command:
        return config
    if source.is_hydra:
        config = dataclasses.replace(config, passing=HYDRA)
    elif not source.has_parser and source.asks_for_parameters:
        is_nni = config.nni_wire or "nni" in source.packages
        config = dataclasses.replace(config, passing=CALLS, script_options=(), nni_wire=is_nni)
    if may_change_evaluator and not _can_continue(config, source):
        tell(f"note: {config.called} takes no model to continue from, so every trial starts from "
            "scratch: --evaluator=fulltrail")  # fmt: skip
        config = dataclasses.replace(config, evaluator="fulltrail")
    return config


def _can_continue(config: Config, source: Source) -> bool:
    """Whether trials may continue models; a script that was written for us is asked for that."""
    is_foreign = (
        config.passing != OPTIONS or config.scoring.is_logged or source.asks_for_parameters
    )
    return (
        not is_foreign
        or any(MODEL_PATH_MACRO in word for word in config.script_args)
        or (config.passing == OPTIONS and MODEL_PATH in source.own_options)
    )


_SILENT = (
    "WARNING: {} neither reports a score nor imports a library that logs one, as far as can be "
    "seen. Call autofinetune.report_final_result(score) in it, or find the score in what it "
    "prints: --metric_pattern='acc=([0-9.]+)'"
)


def _is_silent(config: Config, sources: Sequence[Source | None]) -> bool:
    """Whether no trial will have a score, as far as can be seen."""
    known = [source for source in sources if source is not None]
    return (
        not config.scoring.metric_pattern
        and bool(known)
        and not any(source.may_report for source in known)
    )


def without_asking(config: Config, env: Mapping[str, str]) -> Config:
    """Return the config of a script that is not asked for its options.

    One that continues no model gets `--saved_params_dir` only if that is mentioned in it.
    """
    if EVALUATORS[config.evaluator].continues_models or config.program.command:
        return config
    source = source_of(start_of_command(config), config.working_dir, env)
    return config if source is None else config.with_script_options(source.own_options)


def with_declared_options(config: Config) -> Config:
    """The config with those of our own options that stand in the script as words in quotes.

    A script that gets its hyperparameters by a call may have no options, and `--help` would then
    begin a training, so it is read instead of asked.

    Raises:
        UsageError: the script cannot be read.
    """
    try:
        text = config.script_path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {config.script}: {error.strerror or error}") from None
    quoted = {found[1].decode() for found in re.finditer(rb"""["']--(\w+)["']""", text)}
    return config.with_script_options(quoted.intersection(OWN_OPTIONS))
