"""The ways of passing hyperparameters to a script: options, overrides or calls. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from autofinetune.visible import as_text

OPTIONS = "options"  # --name=value for each
HYDRA = "hydra"  # name=value for each, which are overrides of Hydra
CALLS = "calls"  # the script requests them; --name=value for those that it declares
PASSING = (OPTIONS, HYDRA, CALLS)

_PLAIN = re.compile(r"[A-Za-z0-9_./@%:+-]*[A-Za-z_./@%:+-][A-Za-z0-9_./@%:+-]*\Z")
# https://hydra.cc/docs/advanced/hydra-command-line-flags
_FLAGS = frozenset({"config-name", "config-path", "config-dir", "package", "info", "cfg"})
_TYPED = frozenset({"true", "false", "null", "none", "nan", "inf", "-inf", "+inf"})


def usual_passing(nni_wire: bool) -> str:
    """Return the default way of passing hyperparameters, used until the script is examined."""
    return CALLS if nni_wire else OPTIONS


def overrides(nested: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return `name=value` for each hyperparameter, `outer.inner=value` for nested ones."""
    words: list[str] = []
    for name, value in nested.items():
        if isinstance(value, Mapping):
            words += overrides(value, f"{prefix}{name}.")
        else:
            words.append(f"{prefix}{name}={hydra_value(value)}")
    return words


def hydra_value(value: Any) -> str:
    """Return a value in Hydra's override grammar such that Hydra reads the same type.

    See https://hydra.cc/docs/advanced/override_grammar/basic: text that could be read as another
    type is quoted, and quotes inside it are escaped with a backslash.
    """
    if value is None:
        return "null"
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(hydra_value, value))}]"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{name}:{hydra_value(one)}' for name, one in value.items())}}}"
    if not isinstance(value, str):
        return as_text(value)
    is_number = _as_float(value) is not None
    if _PLAIN.match(value) and not is_number and value.lower() not in _TYPED:
        return value
    quoted = re.sub(r"\\*'", lambda found: found[0].replace("\\", "\\\\")[:-1] + "\\'", value)
    end = re.search(r"\\*\Z", quoted)
    return f"'{quoted}{end[0] if end else ''}'"


def _as_float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def as_overrides(script_args: Sequence[str]) -> list[str]:
    """Return options for train.py (`--name=value`) as overrides; Hydra's own flags stay."""
    words = []
    for word in script_args:
        name, equals, _ = word.removeprefix("--").partition("=")
        words.append(word.removeprefix("--") if equals and name not in _FLAGS else word)
    return words
