"""What a trial runs instead of a train.py: a command, or the tasks of a distributed trial."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autofinetune.config.commands import unknown_macro
from autofinetune.errors import Mistake
from autofinetune.visible import as_text

FRAMEWORKS = ("pytorch", "tensorflow", "xgboost")
SERVICES = ("ps", "evaluator")  # they serve the other tasks and end with them
MOST_REPLICAS = 1024
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_SECRET = re.compile(r"token|secret|passw|credential|(?:^|[_.-])key$|apikey", re.IGNORECASE)
MASK = "***"
_RESERVED = re.compile(r"(AUTOFINETUNE_|CUDA_VISIBLE_DEVICES=)")


@dataclass(frozen=True)
class Task:
    """Identical processes of a trial: `replicas` times the template `command`.

    `env` holds words `NAME=value`; `script_options` are the options that the command declares,
    None if unknown.
    """

    type: str
    replicas: int
    command: tuple[str, ...]
    env: tuple[str, ...] = ()
    script_options: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Program:
    """The command of every trial, a template as in `commands`; empty if a script is tuned.

    `env` holds words `NAME=value` for every process of a trial. A trial with `tasks` runs their
    commands instead, in their order, with ranks and addresses in the environment as `framework`
    expects them.
    """

    command: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    framework: str = "pytorch"
    tasks: tuple[Task, ...] = ()

    @property
    def ranks(self) -> int | None:
        """The number of processes of a trial, or None if there are no tasks."""
        return sum(task.replicas for task in self.tasks) or None

    @property
    def started(self) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
        """The distinct pairs of a process's template and all its words `NAME=value`."""
        found = [(task.command, (*self.env, *task.env)) for task in self.tasks]
        return tuple(
            dict.fromkeys(pair for pair in found or [(self.command, self.env)] if pair[0])
        )

    @property
    def commands(self) -> tuple[tuple[str, ...], ...]:
        """The distinct templates of the processes."""
        return tuple(dict.fromkeys(command for command, _ in self.started))

    @property
    def words(self) -> tuple[str, ...]:
        """All words that may contain a secret."""
        inner = (word for task in self.tasks for word in (*task.command, *task.env))
        return (*self.command, *self.env, *inner)

    def describe(self) -> dict[str, Any]:
        """Return options that `read_program` reads back; empty for a script."""
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
    """Return a mapping of name to value from words `NAME=value`."""
    return {name: value for name, _, value in (word.partition("=") for word in env)}


def masked(words: Iterable[str]) -> list[str]:
    """Return the words of a command with `--api_key=...` or `-key ...` as `--api_key=***`.

    Pass only the user's own options for train.py, never hyperparameters: a searched
    `token_dropout` is not a secret.
    """
    found: list[str] = []
    is_secret = False  # whether the next word is the value of a secret option
    for word in words:
        name, equals, _ = word.partition("=")
        names_secret = bool(_SECRET.search(name.lstrip("-")))
        if is_secret and not word.startswith("-"):
            found.append(MASK)
        else:
            found.append(f"{name}={MASK}" if equals and names_secret else word)
        is_secret = names_secret and not equals and word.startswith("-")
    return found


def described_words(described: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield the place of each list of words in a described program: a mapping and a key in it."""
    for part in (described, *described.get("tasks", ())):
        yield from ((part, key) for key in ("command", "env") if part.get(key))


def read_program(options: Mapping[str, Any], mistake: Callable[[Mistake], None]) -> Program:
    """Return the Program given by options; call `mistake` with each mistake."""
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
            self._mistake(what, "a word contains the character NUL, which a command cannot")
        return words

    def command(self, what: str, value: object) -> tuple[str, ...]:
        words = self.words(what, value)
        for why in filter(None, map(unknown_macro, words)):
            self._mistake(what, why)
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
            needs = "must be a mapping of type, replicas, command and env"
            self._mistake(what, f"{needs}, found {value!r:.60}")
            return None
        count = value.get("replicas", 1)
        if type(count) is not int or not 1 <= count <= MOST_REPLICAS:
            needs = f"replicas must be a whole number from 1 to {MOST_REPLICAS}"
            self._mistake(what, f"{needs}, found {count!r:.60}")
            count = 1
        options = value.get("script_options")
        return Task(
            str(value.get("type", "worker")),
            count,
            self.command(f"{what}: command", value["command"]),
            self.env(f"{what}: env", value.get("env") or ()),
            None if options is None else self.words(f"{what}: script_options", options),
        )
