"""The words of the command line: our options, the script, and what goes on to train.py.

A script and `nargs=REMAINDER` in one parser swallow every option after the script, so the words
are divided first: options before and after the script are ours until the first word that is none.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

from autofinetune.config.defaults import DEFAULTS, option_name
from autofinetune.errors import UsageError, did_you_mean

DESCRIPTION = """\
Tune the hyperparameters of train.py over the cards of this machine.

  autofinetune train.py --param_file=hparam.yaml --gpu=0,1 [options] [key value ...]
  autofinetune run train.py ...         the same, spelled out
  autofinetune run result/config.yaml   the same run again, in a new directory
  autofinetune run experiment.yaml      an AutoTuneExperiment, a configuration of NNI, a sweep
  autofinetune resume result/           go on after Ctrl-C, a kill or a reboot
  autofinetune rebuild result/          write all tables and pages anew from the journal
  autofinetune lineage result/          the hyperparameters that led to the best model
  autofinetune replay result/           train that schedule from scratch
  autofinetune dashboard result/        show a run in the browser
  autofinetune convert sweep.yaml       a search space or a manifest of another tool as ours
  autofinetune status result/           how a run stands, also while it goes on
  autofinetune strategies               the search algorithms and their options
  autofinetune assessors                what stops hopeless trials early
  autofinetune report-final 0.93        report from a script in any language
"""

EXAMPLES = """\
examples:
  autofinetune train.py --param_file=hparam.yaml --gpu=0,1 --popsize=5 --round=10
      50 trials, five a round, on cards 0 and 1, into output_<time>/
  autofinetune train.py --param_file=hparam.yaml --gpu=cpu:4 --evaluator=fulltrail \\
      --tuning_strategy=hazero --output_dir=result/ --seed=1 max_seq_len 128
      from scratch every time, four trials at once without a card; train.py also
      gets --max_seq_len=128
  autofinetune train.py --param_file=hparam.yaml --gpu=auto --dry-run -- --amp --lr_decay=0.5
      show what would be run; everything after -- goes to train.py

exit codes: 0 done, 2 bad usage or configuration, 3 every trial failed, 4 the machine
lacks something, 5 the directory is in use, 6 the time is over, 130 interrupted
"""


# Options of PaddleHub 1.2 under their later names.
_SUCCESSORS = {
    "--cuda": "now --gpu (such as --gpu=0,1)",
    "--evaluate_choice": "now --evaluator (fulltrail or populationbased)",
}


class Words(NamedTuple):
    """A command line, divided."""

    options: tuple[str, ...]
    script: str | None
    rest: tuple[str, ...]


class Parser(argparse.ArgumentParser):
    """Raises UsageError instead of ending the process, and knows near misses."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}{self._guess(message)}", f"see {self.prog} --help")

    def _guess(self, message: str) -> str:
        if not message.startswith("unrecognized arguments: "):
            return ""
        words = [word.partition("=")[0] for word in message.split()[2:]]
        old = [f"{word} is {_SUCCESSORS[word]}" for word in words if word in _SUCCESSORS]
        if old:
            return f"; of the options of PaddleHub 1.2 {', '.join(old)}"
        word = words[0]
        return did_you_mean(word, self._option_string_actions, str)


def run_parser() -> Parser:
    """The options of `autofinetune train.py` and `autofinetune run`, without script and rest."""
    parser = Parser(
        prog="autofinetune",
        usage="autofinetune train.py --param_file=FILE --gpu=IDS [options] [key value ...]",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = _Adder(parser)
    add.value(
        "param_file",
        "FILE",
        "the hyperparameters with their ranges: hparam.yaml, a search space of NNI (JSON or "
        "YAML), or a sweep of W&B (required)",
    )
    add.value(
        "gpu", "IDS", "cards such as 0,1 or their UUIDs; cpu, cpu:4, auto, auto:4 (required)"
    )
    add.value(
        "trials_per_gpu",
        "K",
        f"trials that run on a device at once (default {DEFAULTS['trials_per_gpu']})",
    )
    add.value(
        "gpus_per_trial",
        "N",
        "devices of one trial, in the order of --gpu, with a process of train.py for each "
        f"(default {DEFAULTS['gpus_per_trial']})",
    )
    add.value(
        "ranks_per_trial",
        "R",
        "processes of train.py in a trial, with the environment of torchrun; 1 for a script that "
        "uses several cards by itself (default: one a device)",
    )
    add.value(
        "cpus_per_trial",
        "C",
        "cores of its own that each trial keeps to, with as many threads (default: any core; on "
        "CPU slots its share of threads)",
    )
    add.value("max_parallel", "N", "trials at once, at most (default: as many as there are slots)")
    add.value("popsize", "N", f"candidates a round (default {DEFAULTS['popsize']})")
    add.value("round", "N", f"rounds (default {DEFAULTS['round']})")
    add.value(
        "max_trials", "N", "trials in all, in the place of --round (default: --popsize x --round)"
    )
    add.value("target_score", "X", "start no trial once a score is as good (default: no target)")
    add.value(
        "metric",
        "NAME",
        "the score is what a library logs under this name (W&B, Lightning, Trainer, Keras, "
        "XGBoost, LightGBM, TensorBoard, MLflow), where train.py does not report it itself",
    )
    add.value(
        "final",
        "WHICH",
        f"which of the logged values is the score: last or best (default {DEFAULTS['final']})",
    )
    add.value(
        "metric_pattern",
        "REGEX",
        "the score is in what train.py prints, as the one group of this regular expression, such "
        "as 'acc=([0-9.]+)'",
    )
    add.value("working_dir", "DIR", "where trials run (default: here, or where a manifest says)")
    add.values(
        "volume",
        "NAME=DIR,...",
        "the directory to use for a volume or claim of an AutoTuneExperiment; may be repeated",
    )
    add.value("output_dir", "DIR", "where results go (default output_<time>)")
    add.value(
        "evaluator",
        "NAME",
        "fulltrail: every trial from scratch; populationbased: later rounds continue good models "
        f"(default {DEFAULTS['evaluator']})",
    )
    add.value(
        "exploit",
        "RULE",
        "which models populationbased continues. truncation: each member its own, the worst take "
        "over model and hyperparameters of the best and change them; better_half: models of the "
        f"better half, hyperparameters from the strategy (default {DEFAULTS['exploit']})",
    )
    add.value(
        "tuning_strategy",
        "NAME",
        "pshe2, hazero, tpe, gp, random, grid, optuna:TPESampler, ...; `autofinetune strategies` "
        f"lists all (default {DEFAULTS['tuning_strategy']})",
    )
    add.value(
        "strategy_options",
        "NAME=VALUE,...",
        "settings of the strategy; `autofinetune strategies` lists them",
    )
    add.value(
        "warm_start",
        "DIR,...",
        "output directories of earlier runs: their best configurations are tried first, and the "
        "strategy learns from all their trials",
    )
    add.value("enqueue", "CSV", "configurations to try first, a column for each hyperparameter")
    add.value(
        "schedule",
        "WORD",
        "async: a free slot gets a new trial at once; round: a round waits for the one before it, "
        f"and equal seeds give equal searches (default {DEFAULTS['schedule']})",
    )
    add.value(
        "repeats",
        "N",
        "train every configuration N times and go by the mean, for noisy scores "
        f"(default {DEFAULTS['repeats']})",
    )
    add.value(
        "seed",
        "N",
        "makes the search repeatable, with --schedule=round (default: drawn and noted)",
    )
    add.value(
        "direction", "WORD", f"maximize or minimize the score (default {DEFAULTS['direction']})"
    )
    add.value(
        "warm_args",
        "WORDS",
        "what a continued trial gets besides (default --epochs=1 where train.py --help names it)",
    )
    add.value("trial_timeout", "SECONDS", "end a trial that takes longer (default: no limit)")
    add.value(
        "assessor",
        "NAME",
        "stop hopeless trials early: medianstop, curvefitting, asha, hyperband or none "
        f"(default {DEFAULTS['assessor']})",
    )
    add.value(
        "assessor_options",
        "NAME=VALUE,...",
        "settings of the assessor; `autofinetune assessors` lists them",
    )
    add.value(
        "stop_grace",
        "SECONDS",
        "how long a trial that the assessor stops may go on before it is ended "
        f"(default {DEFAULTS['stop_grace']:g})",
    )
    add.value("max_seconds", "SECONDS", "start no trial after so much work (default: no limit)")
    add.value(
        "on_timeout",
        "WHAT",
        "when the time of --max_seconds is over, running trials finish or are ended: drain, kill "
        f"(default {DEFAULTS['on_timeout']})",
    )
    add.value(
        "max_retries",
        "N|PAIRS",
        "how often a trial is tried again, for all reasons or by reason, such as oom:1,timeout:2 "
        f"(default {DEFAULTS['max_retries']})",
    )
    add.value(
        "max_failures",
        "N",
        "stop after this many failures in a row within 10 s of their start, three times as many "
        f"once a trial has completed; 0: never (default {DEFAULTS['max_failures']})",
    )
    add.value(
        "min_free_gb",
        "GIB",
        f"start no trial while less disk is free (default {DEFAULTS['min_free_gb']:g})",
    )
    add.value(
        "min_free_gpu_gb",
        "GIB",
        "start no trial on a card with less free memory "
        f"(default {DEFAULTS['min_free_gpu_gb']:g})",
    )
    add.value(
        "lease_dir",
        "DIR",
        "runs that name the same directory take turns on each card (default: they do not wait)",
    )
    add.value(
        "keep_models",
        "WHICH",
        "all; best or top:K removes models that can no longer be continued either "
        f"(default {DEFAULTS['keep_models']})",
    )
    add.value(
        "on_tuner_death",
        "WHAT",
        "when the tuner is killed, its trials go on for `resume` to adopt, or are ended: adopt, "
        f"kill (default {DEFAULTS['on_tuner_death']})",
    )
    add.value(
        "preload",
        "MODULES",
        "import these once, such as torch,transformers, and fork each trial from there; "
        f"auto: what train.py imports (default {DEFAULTS['preload']})",
    )
    add.flag("strict_exit", "a result counts only if train.py then exits with 0")
    add.flag(
        "nni_wire",
        "for a script of NNI, with the package nni or with autofinetune.nni: it gets its "
        "parameters by get_next_parameter and no options; --evaluator is then fulltrail",
    )
    add.flag("skip_preflight", "do not ask train.py --help for its options first")
    add.flag("dry_run", "show the space, the slots and the first commands; run nothing")
    parser.add_argument("--version", action="store_true", help="show the version")
    return parser


class _Adder:
    """Adds each option in both spellings, --param_file and --param-file."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self.parser = parser

    def value(self, name: str, metavar: str, text: str) -> None:
        self.parser.add_argument(*_spellings(name), dest=name, metavar=metavar, help=text)

    def values(self, name: str, metavar: str, text: str) -> None:
        """An option that may be given several times; its value is a list."""
        self.parser.add_argument(
            *_spellings(name), dest=name, metavar=metavar, action="append", help=text
        )

    def flag(self, name: str, text: str) -> None:
        self.parser.add_argument(*_spellings(name), dest=name, action="store_true", help=text)


def _spellings(name: str) -> list[str]:
    return list(dict.fromkeys([f"--{name}", f"--{name.replace('_', '-')}"]))


def parse_run(argv: Sequence[str]) -> dict[str, Any]:
    """The options of a run by name, with `script`, `script_args`; absent ones are left out.

    Raises:
        UsageError: an unknown option, or one of ours among the words for train.py.
    """
    parser = run_parser()
    words = divide(parser, argv)
    found = vars(parser.parse_args(list(words.options)))
    _check_rest(parser, words.rest)
    options = {name: value for name, value in found.items() if value is not None}
    if words.script is not None:
        options["script"] = words.script
    if words.rest:
        options["script_args"] = words.rest
    return options


def divide(parser: argparse.ArgumentParser, argv: Sequence[str]) -> Words:
    """Which words are our options, the script, and the rest for train.py."""
    takes_value = {
        spelling
        for spelling, action in parser._option_string_actions.items()
        if action.nargs is None
    }
    options: list[str] = []
    script: str | None = None
    index = 0
    while index < len(argv):
        word = argv[index]
        if word == "--":
            return Words(tuple(options), script, tuple(argv[index:]))
        if word.startswith("-"):
            options.append(word)
            if word in takes_value and index + 1 < len(argv):
                index += 1
                options[-1] = f"{word}={argv[index]}"
        elif script is None:
            script = word
        else:
            return Words(tuple(options), script, tuple(argv[index:]))
        index += 1
    return Words(tuple(options), script, ())


def _check_rest(parser: argparse.ArgumentParser, rest: Sequence[str]) -> None:
    for word in rest:
        if word == "--":
            return
        if word.startswith("--") and f"--{option_name(word)}" in parser._option_string_actions:
            raise UsageError(
                f"{word} stands after {rest[0]!r}, where everything goes to train.py",
                f"put it before {rest[0]!r}; if train.py is to get it, put it after a bare --",
            )
