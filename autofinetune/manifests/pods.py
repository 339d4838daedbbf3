"""Kubernetes containers, read for what this machine can run: words, variables, cards."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from autofinetune.config.program import variables
from autofinetune.space.fields import short

from .reader import LATER, NO_EFFECT, Section

CARD = "nvidia.com/gpu"
_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_.-][A-Za-z0-9_.-]*)\)")
_OF_A_POD = (
    "securityContext", "volumes", "nodeSelector", "affinity", "tolerations", "serviceAccountName",
    "serviceAccount", "imagePullSecrets", "initContainers", "schedulerName",
    "priorityClassName", "hostNetwork", "hostIPC", "terminationGracePeriodSeconds",
)  # fmt: skip
_OF_A_CONTAINER = (
    "imagePullPolicy", "securityContext", "ports", "volumeMounts", "volumeDevices",
    "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "stdin", "tty",
    "terminationMessagePath", "terminationMessagePolicy",
)  # fmt: skip


@dataclass(frozen=True)
class Container:
    """What a container runs, and the number of cards that it requests."""

    section: Section
    words: tuple[str, ...]
    env: tuple[str, ...]
    cards: int
    image: str


def read_container(
    section: Section, word_of: Callable[[str], str], value_of: Callable[[str], str]
) -> Container | None:
    """Read a container; return None if it has no usable command.

    `word_of` converts a word of the command to one of a template, `value_of` the value of a
    variable; both raise ValueError.
    """
    env = read_env(section, value_of)
    words = [*section.words("command"), *section.words("args")]
    cards = read_cards(section)
    image = str(section.take("image") or "")
    folder = section.file.folder
    section.no_effect("workingDir", why=f"{NO_EFFECT}: trials run in {folder}")
    section.skip("name")
    if not ends_with_command(section, words):
        return None
    words = [with_references(word, env) for word in words]
    try:
        return Container(section, tuple(map(word_of, words)), tuple(env), cards, image)
    except ValueError as error:
        section.mistake("command", str(error))
        return None


def ends_with_command(section: Section, words: Sequence[str]) -> bool:
    """Report the rest of a container; return whether it has a command."""
    section.no_effect(*_OF_A_CONTAINER)
    section.no_effect("envFrom", why=LATER)
    section.rest()
    if "command" not in section:
        why = "is missing; the default command of its image is not known here"
        section.mistake("command", why)
    elif not words or not words[0].strip():
        section.mistake("command", "must begin with the name of a program")
    else:
        return True
    return False


def main_container(pod: Section, what: str, name: str | None = None) -> Section | None:
    """Return the container of a pod that is run, and report the rest of the pod.

    It is the one called `name`, or else the first; messages call it the `what` container.
    """
    containers = list(pod.sections("containers", needed="give one with a command"))
    pod.no_effect(*_OF_A_POD)
    pod.rest()
    named = [one for one in containers if name and one.value.get("name") == name]
    found = next(iter(named or containers), None)
    for other in containers:
        if other is not found:
            why = f"is not run: only the {what} container is"
            other.file.note(other.path, f"{other.label()} {why}")
    return found


def with_references(text: str, env: Sequence[str]) -> str:
    """Replace `$(NAME)` by the value of a variable and `$$` by `$`, as Kubernetes does."""
    given = {"$$": "$"} | {f"$({name})": value for name, value in variables(env).items()}
    return _REFERENCE.sub(lambda found: given.get(found[0], found[0]), text)


def read_env(section: Section, value_of: Callable[[str], str]) -> list[str]:
    """Return a container's variables as `NAME=value`; a value may refer to earlier variables."""
    words: list[str] = []
    for variable in section.sections("env"):
        name = variable.text("name", needed="name the variable")
        value = variable.take("value")
        variable.no_effect("valueFrom", why=LATER)
        variable.rest()
        if name is None or (value is None and "valueFrom" in variable):
            continue
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            variable.mistake("name", f"{short(name)} cannot be the name of a variable")
        elif isinstance(value, (list, Mapping)) or "\0" in str(value):
            variable.mistake("value", f"must be text, found {short(value)}")
        elif name == "CUDA_VISIBLE_DEVICES" or name.startswith("AUTOFINETUNE_"):
            variable.note("name", f"{name} is set by autofinetune; this has no effect")
        else:
            text = "" if value is None else variable.written(value, "value")
            try:
                words.append(f"{name}={with_references(value_of(text), words)}")
            except ValueError as error:
                variable.mistake("value", str(error))
    return words


def read_cards(section: Section) -> int:
    """Return the number of cards that a replica requests."""
    resources = section.section("resources")
    most = 0
    for kind in ("limits", "requests"):
        inner = resources.section(kind)
        for key in inner.value:
            if key != CARD:
                inner.no_effect(key)
                continue
            text = inner.take(key)
            if str(text).isascii() and str(text).isdigit() and len(str(text)) < 4:
                most = max(most, int(str(text)))
                inner.gives("gpus_per_trial", key)
            else:
                inner.mistake(key, f"must be a number of cards, found {short(text)}")
    resources.rest()
    return most
