"""Containers of Kubernetes, read as what this machine can run of them: words, variables, cards."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from autofinetune.config.program import variables
from autofinetune.space.fields import short

from .reader import LATER, NO_EFFECT, Section

CARD = "nvidia.com/gpu"
_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_.-][A-Za-z0-9_.-]*)\)")
OF_A_POD = (
    "securityContext", "volumes", "nodeSelector", "affinity", "tolerations", "serviceAccountName",
    "serviceAccount", "imagePullSecrets", "initContainers", "schedulerName",
    "priorityClassName", "hostNetwork", "hostIPC", "terminationGracePeriodSeconds",
)  # fmt: skip
OF_A_CONTAINER = (
    "imagePullPolicy", "securityContext", "ports", "volumeMounts", "volumeDevices",
    "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "stdin", "tty",
    "terminationMessagePath", "terminationMessagePolicy",
)  # fmt: skip


@dataclass(frozen=True)
class Container:
    """What a container runs; `image` is where its files would be, `cards` what it asks for."""

    section: Section
    words: tuple[str, ...]
    env: tuple[str, ...]
    cards: int
    image: str


def read_container(
    section: Section, word_of: Callable[[str], str], value_of: Callable[[str], str]
) -> Container | None:
    """The container of a section; None if it names no command.

    Args:
        word_of: the word of a template that a word of the command is; raises ValueError.
        value_of: the value that a variable has; raises ValueError.
    """
    env = read_env(section, value_of)
    words = [*(section.words("command") or ()), *(section.words("args") or ())]
    cards = read_cards(section)
    image = str(section.take("image") or "")
    folder = section.file.folder
    section.no_effect("workingDir", why=f"{NO_EFFECT}: trials run in {folder}")
    section.take("name")
    section.no_effect(*OF_A_CONTAINER)
    section.no_effect("envFrom", why=LATER)
    section.rest()
    if "command" not in section:
        section.mistake("command", "is missing; what its image would run is not known here")
        return None
    if not words or not words[0].strip():
        section.mistake("command", "must begin with the name of a program")
        return None
    words = [with_references(word, env) for word in words]
    try:
        return Container(section, tuple(map(word_of, words)), tuple(env), cards, image)
    except ValueError as error:
        section.mistake("command", str(error))
        return None


def with_references(text: str, env: Sequence[str]) -> str:
    """`$(NAME)` of a variable of the container is its value, `$$` is `$`, as in Kubernetes."""
    given = {"$$": "$"} | {f"$({name})": value for name, value in variables(env).items()}
    return _REFERENCE.sub(lambda found: given.get(found[0], found[0]), text)


def read_env(section: Section, value_of: Callable[[str], str]) -> list[str]:
    """The variables of a container as `NAME=value`; a value may name those before it.

    Args:
        value_of: the value that a variable has here; raises ValueError.
    """
    words: list[str] = []
    for variable in section.sections("env"):
        name = variable.text("name", needed="name the variable")
        value = variable.take("value")
        variable.no_effect("valueFrom", why=LATER)
        variable.rest()
        if name is None or (value is None and "valueFrom" in variable):
            continue
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            variable.mistake("name", f"{short(name)} cannot be a variable")
        elif isinstance(value, (list, Mapping)) or "\0" in str(value):
            variable.mistake("value", f"must be a text, found {short(value)}")
        elif name == "CUDA_VISIBLE_DEVICES" or name.startswith("AUTOFINETUNE_"):
            variable.note("name", f"{name} is set by autofinetune, and not by this")
        else:
            text = "" if value is None else variable.written(value, "value")
            try:
                words.append(f"{name}={with_references(value_of(text), words)}")
            except ValueError as error:
                variable.mistake("value", str(error))
    return words


def read_cards(section: Section) -> int:
    """How many cards a replica asks for."""
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
