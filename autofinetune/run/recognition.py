"""Find out from the source of a script how it gets its hyperparameters and models."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping

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
    """Return the config adapted to its script, which is read and not run.

    If the user left the evaluator open (`may_change_evaluator`), it becomes `fulltrail` for a
    script that cannot continue models.
    """
    commands = config.program.commands or (start_of_command(config),)
    sources = [
        source_of(start_of_command(config, words), config.working_dir, env) for words in commands
    ]
    known = [source for source in sources if source is not None]
    may_report = config.scoring.metric_pattern or any(source.may_report for source in known)
    if known and not may_report:  # trials will probably have no score
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
    """Return whether trials may continue models; scripts written for us are checked later."""
    is_foreign = (
        config.passing != OPTIONS or config.scoring.is_logged or source.asks_for_parameters
    )
    return (
        not is_foreign
        or any(MODEL_PATH_MACRO in word for word in config.script_args)
        or (config.passing == OPTIONS and MODEL_PATH in source.own_options)
    )


_SILENT = (
    "WARNING: {} appears neither to report a score nor to import a library that logs one. Call "
    "autofinetune.report_final_result(score) in it, or extract the score from its output: "
    "--metric_pattern='acc=([0-9.]+)'"
)


def without_asking(config: Config, env: Mapping[str, str]) -> Config:
    """Return the config of a script that is not run with `--help`.

    If trials do not continue models, a script gets `--saved_params_dir` only if it mentions it.
    """
    if EVALUATORS[config.evaluator].continues_models or config.program.command:
        return config
    source = source_of(start_of_command(config), config.working_dir, env)
    return config if source is None else config.with_script_options(source.own_options)


def with_declared_options(config: Config) -> Config:
    """Return the config with those of our own options that the script contains in quotes.

    A script that gets its hyperparameters by a call may have no options, and with `--help` it
    would start to train. So it is read and not run; raise UsageError if it cannot be read.
    """
    try:
        text = config.script_path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {config.script}: {error.strerror or error}") from None
    quoted = {found[1].decode() for found in re.finditer(rb"""["']--(\w+)["']""", text)}
    return config.with_script_options(quoted.intersection(OWN_OPTIONS))
