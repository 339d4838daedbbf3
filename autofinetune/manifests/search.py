"""The tuner and the assessor of a manifest, in the spelling of NNI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autofinetune.assessors import ASSESSORS, assessor_class
from autofinetune.errors import UsageError, did_you_mean
from autofinetune.options import Option
from autofinetune.space import Document, as_text
from autofinetune.space.fields import short
from autofinetune.space.yaml_file import Path_
from autofinetune.strategies import STRATEGIES, known_name, strategy_class

from .reader import Section

DIRECTIONS = {"maximize": "maximize", "minimize": "minimize"}
_MINIMIZE = ("tpe", "anneal")  # what these do in NNI unless they are told otherwise
_OWN_CODE = ("className", "codeDir", "classFileName", "codeDirectory")


def read_tuner(section: Section, name_field: str) -> dict[str, Any]:
    """`tuning_strategy`, `strategy_options`, `direction` and `seed`, as far as they are said."""
    name = _name(section, name_field, "strategy")
    section.no_effect("gpuIndices", "includeIntermediateResults")
    document = section.data("classArgs")
    section.rest()
    if name is None:
        return {}
    try:
        strategy = known_name(name)
    except UsageError:
        known = ", ".join(STRATEGIES)
        section.mistake(name_field, f"{short(name)} is not among the strategies: {known}"
                                    f"{did_you_mean(name.lower()[:60], STRATEGIES)}")  # fmt: skip
        return {}
    if strategy == "pbt":
        section.note(
            name_field,
            "continues no models here: every trial is trained from scratch; "
            "--evaluator=populationbased continues them by its own rule",
        )
    section.gives("tuning_strategy", name_field)
    found: dict[str, Any] = {"tuning_strategy": strategy}
    args = _Arguments(section, document)
    seed = args.values.pop("seed", None)
    if type(seed) in (int, float) and 0 <= seed < 2**63 and seed == int(seed):
        found["seed"] = int(seed)
    elif seed is not None:
        args.mistake("seed", f"must be a whole number of at least 0, found {short(seed)}")
    found["direction"] = args.mode() or _usual_mode(section, strategy)
    options = strategy_class(strategy).OPTIONS
    is_foreign = ":" in strategy  # such a class knows its own arguments
    found["strategy_options"] = args.checked(strategy, None if is_foreign else options)
    return found


def read_assessor(section: Section, name_field: str, direction: str | None) -> dict[str, Any]:
    """`assessor` and `assessor_options`, if one is named."""
    if not section.value:
        return {}
    name = _name(section, name_field, "assessor")
    section.no_effect("gpuIndices")
    document = section.data("classArgs")
    section.rest()
    if name is None:
        return {}
    plain = name.lower().removesuffix("assessor")
    if plain not in ASSESSORS:
        section.mistake(
            name_field,
            f"{short(name)} is not among the assessors: {', '.join(ASSESSORS)}"
            f"{did_you_mean(plain[:60], ASSESSORS)}",
        )
        return {}
    section.gives("assessor", name_field)
    args = _Arguments(section, document)
    mode = args.mode()
    if mode and direction and mode != direction:
        why = f"{mode} contradicts the tuner's, which is {direction} and goes for both"
        args.note("optimize_mode", why)
    options = args.checked(plain, assessor_class(plain).OPTIONS)
    return {"assessor": plain, "assessor_options": options}


def _name(section: Section, field: str, kind: str) -> str | None:
    for own in _OWN_CODE:
        if own in section:
            section.mistake(own, f"code of your own cannot be a {kind}; name a built-in one")
        section.no_effect(own)
    return section.text(field, needed=f"name a {kind}")


def _usual_mode(section: Section, strategy: str) -> str:
    usual = "minimize" if strategy in _MINIMIZE else "maximize"
    why = f"names no optimize_mode: the score is to {usual}, as {strategy} has it in NNI"
    section.file.note(section.path, f"{section.label()} {why}")
    return usual


class _Arguments:
    """The `classArgs` of a section, flat: NNI keeps those of TPE in a mapping of their own."""

    def __init__(self, section: Section, document: Document | None) -> None:
        self._label = section.label("classArgs")
        self._findings = section.file.within(document or section.file.document)
        self._inner: tuple[str, ...] = ()
        self.values: dict[str, Any] = dict(document.value) if document else {}
        inner = self.values.pop("tpe_args", None)
        if isinstance(inner, Mapping):
            self._inner = tuple(inner)
            self.values |= inner
        elif inner is not None:
            self.mistake("tpe_args", f"must be a mapping, found {short(inner)}")

    def mistake(self, name: str, why: str) -> None:
        self._findings.mistake(*self._told(name, why))

    def note(self, name: str, why: str) -> None:
        self._findings.note(*self._told(name, why))

    def _told(self, name: str, why: str) -> tuple[Path_, str]:
        path = ("tpe_args", name) if name in self._inner else (name,)
        label = ".".join((self._label, *path))[:200]
        return path, f"{label} {why}"

    def mode(self) -> str | None:
        """Whether higher scores are better, as far as that is said."""
        mode = self.values.pop("optimize_mode", None)
        if mode is None or mode in DIRECTIONS:
            return None if mode is None else str(mode)
        self.mistake("optimize_mode", f"must be maximize or minimize, found {short(mode)}")
        return None

    def checked(self, owner: str, options: Mapping[str, Option] | None) -> dict[str, str]:
        """The arguments as options, by the names they were given; None allows any."""
        known = {}
        for name, option in (options or {}).items():
            known.update(dict.fromkeys((name, *option.also), option))
        found = {}
        for name, value in self.values.items():
            if value is None and name != "constant_liar_type":
                continue  # as if it were not there
            if options is not None and name not in known:
                guess = did_you_mean(name[:60], known)
                self.note(name, f"is no argument of {owner} and not read{guess}")
                continue
            try:
                if options is not None:
                    known[name].read(value)
            except ValueError:
                self.mistake(name, f"must be {known[name].allowed}, found {short(value)}")
            found[name] = as_text(value)
        return found
