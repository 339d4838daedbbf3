"""Build a Config from the options of a run; report all mistakes at once."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autofinetune.config.commands import is_shell_line, named_in
from autofinetune.config.config import (
    ASKED,
    MOST_TRIALS,
    OWN_OPTIONS,
    RAY,
    SLURM,
    Config,
    engine_of,
)
from autofinetune.config.option import unknown
from autofinetune.config.options import KEPT, parts_of, read_values
from autofinetune.config.passing import PASSING, usual_passing
from autofinetune.config.program import MASK, Program, read_program, variables
from autofinetune.config.recorded import recorded_configurations, recorded_trials
from autofinetune.config.script_args import option_name, words
from autofinetune.errors import ConfigError, Mistake, UsageError, did_you_mean
from autofinetune.preload.steps import mistakes as preload_mistakes
from autofinetune.space import Document, Space, load_space, read_space

COMMAND_LINE = "the command line"
_ONLY_WITH = {"sbatch": SLURM, "resources": RAY, "ray_python": RAY}
_NOT_WITH = {
    SLURM: {
        "gpus_per_trial": "; use --sbatch='--gres=gpu:N', and --ranks_per_trial for "
        "several processes",
        "trials_per_gpu": "; Slurm gives each trial its own cards",
        "cpus_per_trial": "; use --sbatch='--cpus-per-task=N'",
        "min_free_gpu_gb": "",
        "lease_dir": "; Slurm shares the cards",
        "preload": "",
        "on_tuner_death": "; jobs outlive the tuner, and `scancel -n` ends all of a run",
    },
    RAY: {
        "min_free_gpu_gb": "",
        "lease_dir": "; Ray shares the cards",
        "preload": "",
        "on_tuner_death": "; trials outlive the tuner",
    },
}


def build_config(
    options: Mapping[str, Any],
    known: Mapping[str, Collection[str]],
    known_strategy: Callable[[str], str],
    *,
    working_dir: str,
    python: str,
    random_seed: int,
) -> Config:
    """Check every option and the space at once.

    Args:
        options: `script`, `param_file` (or `param_list` inline) and command-line options by their
            long names with underscores; values may be text. Absent options get their defaults.
            With `function` the script need not exist yet.
        known: the names of the implementations that options choose from, by option.
        known_strategy: returns the usual spelling of a strategy's name, or raises UsageError.
        random_seed: the seed of a run without `seed`.

    Raises:
        ConfigError: all mistakes in the options, or all mistakes in the hyperparameter file, or
            entries in `enqueued`, `earlier` or `replayed` of a config.yaml that do not fit the
            space.
        UsageError: the hyperparameter file cannot be read.
    """
    mistakes: list[Mistake] = []
    values = read_values(options, mistakes)
    if options.get("seed") is None:
        values["seed"] = random_seed
    nni_wire: bool = values["nni_wire"]
    if nni_wire and options.get("evaluator") is None:
        values["evaluator"] = "fulltrail"  # NNI scripts do not load models
    check = _Checker(options, values, working_dir, mistakes)
    check.names(known, known_strategy)
    program = read_program(options, mistakes.append)
    check.script(program)
    check.direction()
    check_size(values, mistakes)
    check.ranks(program)
    check.preload()
    check.cluster()
    script_args = check.script_args(program)
    if not values["gpu"]:
        why = "is missing; give card numbers such as --gpu=0,1, or --gpu=cpu:2, or --gpu=auto"
        mistakes.append(Mistake("gpu", why))
    passing = check.passing(nni_wire=nni_wire)
    check.no_masks((*script_args, *(values["warm_args"] or ()), *program.words))
    space = check.space()
    if space is not None:
        check.no_option_twice(space, "script_args", script_args)
        check.no_option_twice(space, "warm_args", values["warm_args"] or ())
        check.knows_all_named(space, program)
    check.finish()
    assert space is not None
    return Config(
        script=str(options.get("script") or ""),
        space=space,
        working_dir=working_dir,
        python=python,
        script_args=script_args,
        enqueued=recorded_configurations(options.get("enqueued") or (), space),
        earlier=recorded_trials(options.get("earlier") or (), space),
        replayed=recorded_configurations(options.get("replayed") or (), space, "replayed"),
        passing=passing,
        program=program,
        **parts_of(values),
    )


def check_size(values: dict[str, Any], mistakes: list[Mistake]) -> None:
    """Check the number of trials and derive the number of rounds."""
    each = values["popsize"] * values["repeats"]
    trials = values["max_trials"]
    if trials:
        values["round"] = -(-trials // each)
    if (trials or each * values["round"]) > MOST_TRIALS:
        factors = "--max_trials" if trials else "--popsize times --round times --repeats"
        sentence = f"{factors} is above {MOST_TRIALS}"
        option = "max_trials" if trials else "popsize"
        mistakes.append(Mistake(option, sentence, is_sentence=True))


@dataclass
class _Checker:
    """Checks that involve several values; collects the mistakes."""

    options: Mapping[str, Any]
    values: dict[str, Any]
    working_dir: str
    mistakes: list[Mistake]

    def finish(self) -> None:
        if self.mistakes:
            raise ConfigError(COMMAND_LINE, self.mistakes, "autofinetune --help shows examples")

    def _sentence(self, option: str, sentence: str) -> None:
        self.mistakes.append(Mistake(option, sentence, is_sentence=True))

    def names(
        self, known: Mapping[str, Collection[str]], known_strategy: Callable[[str], str]
    ) -> None:
        """Check the names of implementations and normalize their spelling."""
        for option in ("evaluator", "schedule", "assessor", "executor"):
            given = self.values[option]
            self.values[option] = name = given.lower()
            beside = ("none", "auto") if option == "assessor" else ()
            name = engine_of(name) if option == "executor" else name
            if name not in known[option] and name not in beside:
                names = {*known[option], *beside}
                self.mistakes.append(Mistake(option, unknown(name, names), given))
        for log in self.values["log_to"]:
            if log not in known["log_to"]:
                names = {*known["log_to"], "none"}
                self.mistakes.append(Mistake("log_to", unknown(log, names), log))
        try:
            self.values["tuning_strategy"] = known_strategy(self.values["tuning_strategy"])
        except UsageError as error:
            self.mistakes.append(error.mistake)

    def script(self, program: Program) -> None:
        script = str(self.options.get("script") or "")
        if self.values["executor"] == ASKED:
            return
        if not script and self.options.get("command"):
            self._find_programs(program)
        elif not script:
            self._sentence("", "the training script is missing; run: autofinetune train.py ...")
        elif self.options.get("function"):
            return  # the script is written once the directory is locked
        elif not Path(self.working_dir, script).is_file():
            self._sentence("script", f"there is no script {script!r} in {self.working_dir}")

    def _find_programs(self, program: Program) -> None:
        """Check that each command begins with an existing program."""
        places = [(found[0], variables(env).get("PATH")) for found, env in program.started]
        for name, path in dict.fromkeys(places):
            inside = Path(self.working_dir, name)
            found = inside if "/" in name else name
            if not name.startswith("${") and shutil.which(found, path=path) is None:
                why = "is not executable" if inside.exists() else "was not found"
                where = f"from {self.working_dir}" if "/" in name else "PATH was searched"
                self._sentence("command", f"the program {name!r} of the command {why} ({where})")

    def direction(self) -> None:
        """Set the direction from `--direction`, the strategy's `optimize_mode`, or the default."""
        mode = self.values["strategy_options"].get("optimize_mode", "").lower()
        direction = self.values["direction"]
        if mode not in ("maximize", "minimize"):
            return  # the strategy reports what is allowed
        if self.options.get("direction") is None:
            self.values["direction"] = type(direction)(mode)
        elif mode != direction.value:
            why = f"contradicts optimize_mode={mode} of --strategy_options; leave one of them out"
            self.mistakes.append(Mistake("direction", why, direction.value))

    def ranks(self, program: Program) -> None:
        """Set one process for each replica of the tasks."""
        given, ranks = self.values["ranks_per_trial"], program.ranks
        if ranks is None:
            return
        if given not in (None, ranks):
            why = f": the tasks of a trial have {ranks} processes; leave it out, or change their "
            self.mistakes.append(Mistake("ranks_per_trial", f"{why}replicas", given))
        self.values["ranks_per_trial"] = ranks

    def preload(self) -> None:
        script = str(self.options.get("script") or "train.py")
        for problem in preload_mistakes(self.values["preload"], Path(self.working_dir, script)):
            self.mistakes.append(Mistake("preload", f": {problem}", self.values["preload"]))

    def cluster(self) -> None:
        """Refuse what a cluster decides, and what has no meaning on other machines."""
        values = self.values
        executor = engine_of(values["executor"])
        for name, needed in _ONLY_WITH.items():
            if values[name] and executor != needed:
                self.mistakes.append(Mistake(name, f"needs --executor={needed}", values[name]))
        if executor in _NOT_WITH:
            values["gpu"] = values["gpu"] or executor
        for name, instead in _NOT_WITH.get(executor, {}).items():
            if values[name] != KEPT[name].default:
                why = f"cannot be used with --executor={executor}{instead}"
                self.mistakes.append(Mistake(name, why, values[name]))

    def passing(self, *, nni_wire: bool) -> str:
        value = str(self.options.get("passing") or usual_passing(nni_wire))
        if value not in PASSING:
            why = f"{value!r:.60} {unknown(value, PASSING)}"
            self.mistakes.append(Mistake("passing", why, part="passing"))
        return value

    def script_args(self, program: Program) -> tuple[str, ...]:
        try:
            found = words(self.options.get("script_args") or ())
        except ValueError as error:
            self._sentence("script_args", str(error))
            return ()
        if found and any(is_shell_line(command) for command in program.commands):
            why = "nothing can be added to the command, which is a shell line"
            self._sentence("script_args", f"{found[0]}: {why}; change that line")
        return found

    def space(self) -> Space | None:
        """Return the search space; mistakes inside its file are raised separately."""
        entries, file = self.options.get("param_list"), self.options.get("param_file")
        if entries is None and not file:
            why = "is missing; give the list of hyperparameters"
            self.mistakes.append(Mistake("param_file", why))
            return None
        try:
            if entries is not None:
                return read_space(Document("param_list", {"param_list": entries}, {}))
            return load_space(Path(self.working_dir, str(file)))
        except ConfigError:
            self.finish()  # report the command line's mistakes before the file's
            raise
        except UsageError as error:
            self.mistakes.append(error.mistake)
            return None

    def no_masks(self, found: Sequence[str]) -> None:
        """Reject masked values: a config.yaml does not contain the secrets of its run."""
        for before, word in zip(("", *found), found, strict=False):
            if word == MASK or word.endswith(f"={MASK}"):
                name = option_name(before if word == MASK else word)
                self._sentence(
                    "script_args",
                    f"the value of {name} is not stored in the file; give all options for "
                    f"train.py again on the command line, for example: {name} <value>",
                )

    def knows_all_named(self, space: Space, program: Program) -> None:
        """Check that each `${hparam:NAME}` names a hyperparameter."""
        named = (name for line in program.commands for word in line for name in named_in(word))
        for name in dict.fromkeys(named):
            if name not in space.names:
                why = f"command: ${{hparam:{name}}} names no hyperparameter"
                self._sentence("command", why + did_you_mean(name, space.names))

    def no_option_twice(self, space: Space, option: str, found: Sequence[str]) -> None:
        searched = set(space.names)
        for word in found:
            name = option_name(word)
            if word.startswith("--") and (name in searched or name in OWN_OPTIONS):
                who = "searched" if name in searched else "passed by autofinetune"
                self._sentence(option, f"{word}: {name} is already {who}; leave it out")
