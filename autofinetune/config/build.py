"""From the options of a run to its Config: every one is checked, all mistakes told at once."""

from __future__ import annotations

import dataclasses
import math
import shlex
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autofinetune.config.commands import is_shell_line, named_in
from autofinetune.config.config import (
    EXPLOITS,
    MOST_TRIALS,
    ON_TIMEOUT,
    OWN_OPTIONS,
    Config,
    usual_passing,
)
from autofinetune.config.defaults import DEFAULTS, option_name
from autofinetune.config.masking import MASK
from autofinetune.config.passing import PASSING
from autofinetune.config.placement import Placement, read_placement
from autofinetune.config.program import Program, read_program, variables
from autofinetune.config.recorded import recorded_configurations, recorded_trials
from autofinetune.config.safety import read_safety
from autofinetune.config.scoring import read_scoring
from autofinetune.core.state import Direction
from autofinetune.errors import ConfigError, Mistake, UsageError, did_you_mean
from autofinetune.preload.steps import AUTO, NONE, mistakes
from autofinetune.space import Document, Space, as_text, load_space, read_space

COMMAND_LINE = "the command line"


@dataclass(frozen=True)
class Names:
    """The names that the tables of implementations allow; config knows no implementation.

    `strategy` gives the name that the table has for another spelling, or raises UsageError.
    """

    strategy: Callable[[str], str]
    evaluators: Collection[str]
    schedules: Collection[str]
    assessors: Collection[str]


def build_config(
    options: Mapping[str, Any], names: Names, *, working_dir: str, python: str, random_seed: int
) -> Config:
    """Check every option and the space at once.

    Args:
        options: `script`, `param_file` (or `param_list` inline) and the options of the command
            line by their long names with underscores; values may be text. Absent means default.

    Raises:
        ConfigError: all mistakes in the options, or all mistakes in the hyperparameter file, or
            entries in the lists `enqueued` and `earlier` of a config.yaml that do not fit.
        UsageError: the hyperparameter file cannot be read.
    """
    checker = _Checker(options, names, working_dir)
    program = read_program(options, checker.mistakes.append)
    script = checker.script(program)
    popsize, rounds = checker.integer("popsize", 1), checker.integer("round", 1)
    nni_wire = checker.flag("nni_wire")
    passing = checker.passing(nni_wire)
    # NNI trains every trial from scratch, and its scripts load no model.
    evaluator = checker.one_of("evaluator", names.evaluators, "fulltrail" if nni_wire else None)
    exploit = checker.one_of("exploit", EXPLOITS)
    strategy = checker.strategy()
    seed = checker.integer("seed", 0) if options.get("seed") is not None else random_seed
    limit = checker.seconds("trial_timeout")
    schedule = checker.one_of("schedule", names.schedules)
    repeats = checker.integer("repeats", 1)
    strategy_options = checker.pairs("strategy_options")
    direction = checker.direction(strategy_options)
    assessor = checker.one_of("assessor", names.assessors)
    assessor_options = checker.pairs("assessor_options")
    stop_grace = checker.seconds("stop_grace", or_zero=True)
    max_seconds = checker.seconds("max_seconds")
    on_timeout = checker.one_of("on_timeout", ON_TIMEOUT)
    trials = None
    if options.get("max_trials") is not None:
        trials = checker.integer("max_trials", 1)
        rounds = math.ceil(trials / (popsize * repeats))
    if (trials or popsize * rounds * repeats) > MOST_TRIALS:
        factors = "--max_trials" if trials else "--popsize times --round times --repeats"
        checker.mistakes.append(f"{factors} is above {MOST_TRIALS}")
    target_score = checker.number("target_score")
    safety = read_safety(options, checker.mistakes.append)
    placement = checker.placement(program)
    scoring = read_scoring(options, checker.mistakes.append)
    preload = checker.preload(script)
    script_args = checker.script_args(program)
    warm_args = checker.warm_args()
    if options.get("gpu") in (None, ""):
        checker.mistakes.append(
            "--gpu is missing; give card numbers such as --gpu=0,1, or --gpu=cpu:2, or --gpu=auto"
        )
    checker.no_masks((*script_args, *(warm_args or ()), *program.words))
    space = checker.space()
    if space is not None:
        checker.no_option_twice(space, "script_args", script_args)
        checker.no_option_twice(space, "warm_args", warm_args or ())
        checker.knows_all_named(space, program)
    checker.finish()
    assert space is not None
    return Config(
        script=script,
        space=space,
        gpu=str(options["gpu"]),
        seed=seed,
        working_dir=working_dir,
        python=python,
        popsize=popsize,
        rounds=rounds,
        evaluator=evaluator,
        tuning_strategy=strategy,
        direction=Direction(direction),
        script_args=script_args,
        warm_args=warm_args,
        time_limit_s=limit,
        safety=safety,
        placement=placement,
        strategy_options=strategy_options,
        schedule=schedule,
        repeats=repeats,
        enqueued=recorded_configurations(options.get("enqueued") or (), space),
        earlier=recorded_trials(options.get("earlier") or (), space),
        assessor=assessor,
        assessor_options=assessor_options,
        stop_grace_s=DEFAULTS["stop_grace"] if stop_grace is None else stop_grace,
        max_seconds=max_seconds,
        on_timeout=on_timeout,
        exploit=exploit,
        replayed=recorded_configurations(options.get("replayed") or (), space, "replayed"),
        preload=preload,
        nni_wire=nni_wire,
        passing=passing,
        program=program,
        trials=trials,
        target_score=target_score,
        scoring=scoring,
    )


class _Checker:
    """Takes one option after the other and keeps the mistakes."""

    def __init__(self, options: Mapping[str, Any], names: Names, working_dir: str) -> None:
        self.options = options
        self.names = names
        self.working_dir = working_dir
        self.mistakes: list[str] = []

    def finish(self) -> None:
        if self.mistakes:
            raise ConfigError(COMMAND_LINE, self.mistakes, "autofinetune --help shows examples")

    def script(self, program: Program) -> str:
        script = str(self.options.get("script") or "")
        if not script and self.options.get("command"):
            self._find_programs(program)
        elif not script:
            self.mistakes.append("the training script is missing; autofinetune train.py ...")
        elif not Path(self.working_dir, script).is_file():
            why = f"there is no script {script!r} in {self.working_dir}"
            self.mistakes.append(Mistake("script", why))
        return script

    def _find_programs(self, program: Program) -> None:
        """Each command must begin with a program that is there."""
        places = [(words[0], variables(env).get("PATH")) for words, env in program.started]
        for name, path in dict.fromkeys(places):
            inside = Path(self.working_dir, name)
            found = inside if "/" in name else name
            if not name.startswith("${") and shutil.which(found, path=path) is None:
                why = "cannot be run" if inside.exists() else "is not there"
                where = f"from {self.working_dir}" if "/" in name else "PATH was searched"
                self.mistakes.append(
                    Mistake("command", f"the program {name!r} of the command {why} ({where})")
                )

    def placement(self, program: Program) -> Placement:
        """With a process for each replica of the tasks."""
        placement = read_placement(self.options, self.mistakes.append)
        given, ranks = placement.ranks_per_trial, program.ranks
        if ranks is None:
            return placement
        if given not in (None, ranks):
            self.mistakes.append(
                f"--ranks_per_trial={given}: the tasks of a trial are {ranks} processes; leave it "
                "out, or change their replicas"
            )
        return dataclasses.replace(placement, ranks_per_trial=ranks)

    def integer(self, key: str, least: int) -> int:
        value = self.options.get(key)
        if value is None:
            return int(DEFAULTS[key])
        try:
            number = int(str(value))
        except ValueError:
            number = least - 1
        if number < least:
            self.mistakes.append(f"--{key}={value} must be a whole number of at least {least}")
            return least
        return number

    def pairs(self, key: str) -> dict[str, str]:
        try:
            return read_pairs(self.options.get(key))
        except ValueError as error:
            self.mistakes.append(f"--{key}={self.options[key]}: {error}")
            return {}

    def seconds(self, key: str, *, or_zero: bool = False) -> float | None:
        value = self.options.get(key)
        number = None if value is None else _as_number(value)
        if number is not None and not (number > 0 or (or_zero and number == 0)):
            least = "of at least 0" if or_zero else "above 0"
            self.mistakes.append(f"--{key}={value} must be a number of seconds {least}")
        return number

    def number(self, key: str) -> float | None:
        value = self.options.get(key)
        number = None if value is None else _as_number(value)
        if number is not None and math.isnan(number):
            self.mistakes.append(f"--{key}={value} must be a number")
        return number

    def preload(self, script: str) -> str:
        option = str(self.options.get("preload") or DEFAULTS["preload"])
        option = option.lower() if option.lower() in (AUTO, NONE) else option
        self.mistakes += mistakes(option, Path(self.working_dir, script or "train.py"))
        return option

    def flag(self, key: str) -> bool:
        value = self.options.get(key)
        if not (value is None or isinstance(value, bool)):
            self.mistakes.append(f"--{key}={value} must be true or false")
        return value is True

    def one_of(self, key: str, allowed: Collection[str], default: str | None = None) -> str:
        value = str(self.options.get(key) or default or DEFAULTS[key])
        name = value.lower()
        if name not in allowed:
            self.mistakes.append(
                f"--{key}={value} is unknown; use one of: {', '.join(sorted(allowed))}"
                + did_you_mean(name, allowed)
            )
        return name

    def passing(self, nni_wire: bool) -> str:
        value = str(self.options.get("passing") or usual_passing(nni_wire))
        if value not in PASSING:
            self.mistakes.append(f"passing: {value!r:.60} is unknown; use one of: "
                                 f"{', '.join(PASSING)}")  # fmt: skip
        return value

    def strategy(self) -> str:
        value = str(self.options.get("tuning_strategy") or DEFAULTS["tuning_strategy"])
        try:
            return self.names.strategy(value)
        except UsageError as error:
            self.mistakes.append(error.message)
            return value

    def direction(self, strategy_options: Mapping[str, str]) -> str:
        """As `--direction` says, or the strategy's option `optimize_mode`, or the default."""
        known = [d.value for d in Direction]
        direction = self.one_of("direction", known)
        mode = strategy_options.get("optimize_mode", "").lower()
        if mode not in known:
            return direction  # the strategy will say what is allowed
        if self.options.get("direction") is None:
            return mode
        if direction in known and mode != direction:
            self.mistakes.append(
                f"--direction={direction} contradicts optimize_mode={mode} of --strategy_options; "
                "leave one of them out"
            )
        return direction

    def script_args(self, program: Program) -> tuple[str, ...]:
        try:
            words = as_options(_words("script_args", self.options.get("script_args") or ()))
        except (UsageError, ValueError) as error:
            self.mistakes.append(Mistake("script_args", str(error)))
            return ()
        if words and any(is_shell_line(command) for command in program.commands):
            why = "nothing can be added to the command, which is a line for a shell"
            self.mistakes.append(Mistake("script_args", f"{words[0]}: {why}; change that line"))
        return words

    def warm_args(self) -> tuple[str, ...] | None:
        value = self.options.get("warm_args")
        if value is None:
            return None
        try:
            return as_options(_words("the value", value))
        except (UsageError, ValueError) as error:
            self.mistakes.append(f"--warm_args: {error}")
            return None

    def space(self) -> Space | None:
        """The search space; mistakes inside its file are an error of their own."""
        entries, file = self.options.get("param_list"), self.options.get("param_file")
        if entries is None and not file:
            self.mistakes.append("--param_file is missing; give the list of hyperparameters")
            return None
        try:
            if entries is not None:
                return read_space(Document("param_list", {"param_list": entries}, {}))
            return load_space(Path(self.working_dir, str(file)))
        except ConfigError:
            self.finish()  # show the command line's mistakes first, then the file's
            raise
        except UsageError as error:
            self.mistakes.append(error.message)
            return None

    def no_masks(self, words: Sequence[str]) -> None:
        """A config.yaml does not hold the secrets of its run."""
        for word in words:
            if word.endswith(f"={MASK}"):
                name = option_name(word)
                self.mistakes.append(
                    f"the value of {name} is not kept in the file; give all options for "
                    f"train.py again on the command line, as in: {name} <value>"
                )

    def knows_all_named(self, space: Space, program: Program) -> None:
        """Each `${hparam:NAME}` must name a hyperparameter."""
        named = (name for words in program.commands for word in words for name in named_in(word))
        for name in dict.fromkeys(named):
            if name not in space.names:
                why = f"command: ${{hparam:{name}}} names no hyperparameter"
                self.mistakes.append(Mistake("command", why + did_you_mean(name, space.names)))

    def no_option_twice(self, space: Space, option: str, words: Sequence[str]) -> None:
        searched = set(space.names)
        for word in words:
            name = option_name(word)
            if name in searched or name in OWN_OPTIONS:
                who = "searched" if name in searched else "passed by autofinetune"
                why = f"{word}: {name} is {who} already; leave it out"
                self.mistakes.append(Mistake(option, why))


def read_pairs(value: object) -> dict[str, str]:
    """`name=value,name=value`, or a mapping as a file may hold it; raises ValueError."""
    if isinstance(value, Mapping):
        return {str(name): as_text(given) for name, given in value.items()}
    found = {}
    for part in str(value or "").replace(",", " ").split():
        name, equals, given = part.partition("=")
        if not (name and equals and given):
            raise ValueError(f"{part!r} is not of the form name=value")
        found[name] = given
    return found


def _as_number(value: object) -> float:
    """Finite, or NaN."""
    try:
        number = float(str(value))
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def _words(what: str, value: object) -> list[str]:
    """The words in a string, or the values in a list, as a file may hold them."""
    if isinstance(value, str):
        return shlex.split(value)
    if not isinstance(value, (list, tuple)):
        raise UsageError(f"{what} must be words or a list of words, found {value!r}")
    return [as_text(word) for word in value]


def as_options(words: Sequence[str]) -> tuple[str, ...]:
    """`key value` pairs and `--key=value` words as train.py gets them: `--key=value`.

    A `--key` that no value follows stays a flag. A bare `--` is dropped.

    Raises:
        UsageError: a key without a value, or a short option.
    """
    options: list[str] = []
    rest = [word for word in words if word != "--"]
    while rest:
        word = rest.pop(0)
        is_option = word.startswith("--")
        if word.startswith("-") and not is_option:
            raise UsageError(
                f"{word!r} cannot go on to train.py; write its long name: max_seq_len 128"
            )
        if "=" in word:
            options.append(word if is_option else f"--{word}")
        elif is_option and (not rest or rest[0].startswith("--")):
            options.append(word)
        elif rest:
            options.append(f"--{word.removeprefix('--')}={rest.pop(0)}")
        else:
            raise UsageError(
                f"{word!r} after the options has no value; options for train.py come as pairs: "
                "max_seq_len 128"
            )
    return tuple(options)
