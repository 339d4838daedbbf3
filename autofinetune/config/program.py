"""What a trial runs where that is no train.py: its command, and the tasks of a distributed one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autofinetune.config.commands import unknown_macro
from autofinetune.errors import Mistake
from autofinetune.visible import as_text

FRAMEWORKS = ("pytorch", "tensorflow", "xgboost")
SERVICES = ("ps", "evaluator")  # they serve the others and are ended with them
MOST_REPLICAS = 1024
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_RESERVED = re.compile(r"(AUTOFINETUNE_|CUDA_VISIBLE_DEVICES=)")


@dataclass(frozen=True)
class Task:
    """Processes of a trial that do the same: `replicas` times `command`, a template.

    `env` holds `NAME=value` each; `script_options` are those that the command declares, None when
    nobody asked.
    """

    type: str
    replicas: int
    command: tuple[str, ...]
    env: tuple[str, ...] = ()
    script_options: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Program:
    """The command of every trial, a template as in `commands`; empty where a script is tuned.

    `env` holds `NAME=value` each, for every process of a trial. A trial of several `tasks` runs
    theirs instead, in their order, with what tells them apart in the way of `framework`.
    """

    command: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    framework: str = "pytorch"
    tasks: tuple[Task, ...] = ()

    @property
    def ranks(self) -> int | None:
        """How many processes a trial is, None where that is not said here."""
        return sum(task.replicas for task in self.tasks) or None

    @property
    def started(self) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
        """The template of every process with all its `NAME=value`, each pair once."""
        found = [(task.command, (*self.env, *task.env)) for task in self.tasks]
        return tuple(
            dict.fromkeys(pair for pair in found or [(self.command, self.env)] if pair[0])
        )

    @property
    def commands(self) -> tuple[tuple[str, ...], ...]:
        """The template of every process, each once."""
        return tuple(dict.fromkeys(command for command, _ in self.started))

    @property
    def words(self) -> tuple[str, ...]:
        """All words in which a secret may stand."""
        inner = (word for task in self.tasks for word in (*task.command, *task.env))
        return (*self.command, *self.env, *inner)

    def describe(self) -> dict[str, Any]:
        """The options that `read_program` reads back; none for a script."""
        if not self.command:
            return {}
        tasks = [
            {"type": task.type, "replicas": task.replicas,
             "command": list(task.command), "env": list(task.env),
             "script_options": None if (o := task.script_options) is None else list(o)}
            for task in self.tasks
        ]  # fmt: skip
        return {"command": list(self.command), "env": list(self.env),
                "framework": self.framework, "tasks": tasks}  # fmt: skip


def variables(env: Sequence[str]) -> dict[str, str]:
    """Name to value of a list of `NAME=value`."""
    return {name: value for name, _, value in (word.partition("=") for word in env)}


def described_words(described: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Where in a described program lists of words stand: a mapping, and a key in it."""
    for part in (described, *described.get("tasks", ())):
        yield from ((part, key) for key in ("command", "env") if part.get(key))


def read_program(options: Mapping[str, Any], mistake: Callable[[Mistake], None]) -> Program:
    """The Program that options give; mistakes are told one by one."""
    reader = _Reader(mistake)
    framework = str(options.get("framework") or FRAMEWORKS[0])
    if framework not in FRAMEWORKS:
        why = f"{framework!r:.60} is unknown; use one of: {', '.join(FRAMEWORKS)}"
        mistake(Mistake("framework", why, part="framework"))
    tasks = options.get("tasks") or ()
    if not isinstance(tasks, (list, tuple)):
        mistake(Mistake("tasks", f"must be a list, found {tasks!r:.60}", part="tasks"))
        tasks = ()
    return Program(
        reader.command("command", options.get("command") or ()),
        reader.env("env", options.get("env") or ()),
        framework,
        tuple(filter(None, (reader.task(index, task) for index, task in enumerate(tasks)))),
    )


class _Reader:
    def __init__(self, mistake: Callable[[Mistake], None]) -> None:
        self._tell = mistake

    def _mistake(self, part: str, problem: str) -> None:
        option = re.split(r"\W", part)[0]
        self._tell(Mistake(option, problem, part=part))

    def words(self, what: str, value: object) -> tuple[str, ...]:
        if not isinstance(value, (list, tuple)):
            self._mistake(what, f"must be a list of words, found {value!r:.60}")
            return ()
        words = tuple(as_text(word) for word in value)
        if any("\0" in word for word in words):
            self._mistake(what, "a word holds the character NUL, which no command can")
        return words

    def command(self, what: str, value: object) -> tuple[str, ...]:
        words = self.words(what, value)
        for why in filter(None, map(unknown_macro, words)):
            self._mistake(what, f"{why}")
        return words

    def env(self, what: str, value: object) -> tuple[str, ...]:
        words = self.words(what, value)
        for word in words:
            if not _VARIABLE.match(word):
                self._mistake(what, f"{word!r:.60} is not of the form NAME=value")
            elif _RESERVED.match(word):
                self._mistake(what, f"{word.partition('=')[0]} is set by autofinetune")
        return words

    def task(self, index: int, value: object) -> Task | None:
        what = f"tasks[{index}]"
        if not isinstance(value, Mapping) or not value.get("command"):
            self._mistake(
                what, f"must be a mapping of type, replicas, command and env, found {value!r:.60}"
            )
            return None
        count = value.get("replicas", 1)
        if type(count) is not int or not 1 <= count <= MOST_REPLICAS:
            self._mistake(
                what,
                f"replicas must be a whole number from 1 to {MOST_REPLICAS}, found {count!r:.60}",
            )
            count = 1
        options = value.get("script_options")
        return Task(
            str(value.get("type", "worker")),
            count,
            self.command(f"{what}: command", value["command"]),
            self.env(f"{what}: env", value.get("env") or ()),
            None if options is None else self.words(f"{what}: script_options", options),
        )
