"""Calls the function of the user in a trial: the generated script of a run calls `main`.

The function lies pickled beside that script, in a file that is named by its SHA-256: a trial that
has just been started finds its own function even if the run is resumed with another. The file
begins with a line of JSON, which can be read without unpickling: the import path, the version of
Python and the files that the pickle refers to. It is unpickled here and nowhere else, and only if
it has the SHA-256 that the script knows, so that another file in its place runs nothing.
"""

from __future__ import annotations

import inspect
import json
import os
import sys

from autofinetune.trial import report
from autofinetune.trial.suggest import Replayed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from typing import Any

OWN = {
    "saved_params_dir": "AUTOFINETUNE_SAVED_PARAMS_DIR",
    "model_path": "AUTOFINETUNE_MODEL_PATH",
}
_DIGITS = 16
_ANY_NAME = inspect.Parameter.VAR_KEYWORD
_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_folder = ""


def payload_name(sha256: str) -> str:
    """Return the name of the file with the function of this SHA-256."""
    return f"train-{sha256[:_DIGITS]}.pkl"


def main(script: str, sha256: str) -> None:
    """Run the function that lies beside `script` with the hyperparameters of this trial."""
    global _folder
    _folder = os.path.dirname(os.path.abspath(script))
    head, pickled = _checked(os.path.join(_folder, payload_name(sha256)), sha256)
    sys.path[:] = head["path"]
    import cloudpickle

    payload = cloudpickle.loads(pickled)
    function, compute = payload["function"], payload["compute"]
    _show_as_main(function, payload["objects"])
    params = with_objects(json.loads(report.params_text() or "{}"), payload["objects"])
    if compute is not None:
        trial = Replayed(params)
        returned = compute(trial)
        params = dict(trial.params if returned is None else returned)
    args, named = arguments(function, params, payload["names"])
    _report(function, function(*args, **named))


def _checked(path: str, sha256: str) -> tuple[dict[str, Any], bytes]:
    """Return the head and the pickle in a file, or end the trial."""
    import hashlib

    with open(path, "rb") as file:
        data = file.read()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise SystemExit(f"autofinetune: {path} has changed since the run was started")
    head, _, pickled = data.partition(b"\n")
    return json.loads(head), pickled


def _show_as_main(
    function: Callable[..., Any], objects: Mapping[tuple[str, ...], Mapping[str, Any]]
) -> None:
    """Let classes and functions of the user's `__main__` be found there, as pickle needs it."""
    found: dict[str, Any] = {}
    for one in (function, getattr(function, "func", None), type(function).__call__):
        found.update(getattr(one, "__globals__", {}))
    for values in objects.values():
        found.update({getattr(one, "__qualname__", ""): one for one in values.values()})
    names = vars(sys.modules["__main__"])
    for name, value in found.items():
        if getattr(value, "__module__", "") == "__main__":
            names.setdefault(name, value)


def array_beside(name: str) -> Any:
    """Return the array in a file beside the script, mapped read-only into memory."""
    import numpy

    return numpy.load(os.path.join(_folder, name), mmap_mode="r", allow_pickle=False)


def with_objects(
    params: Mapping[str, Any], objects: Mapping[tuple[str, ...], Mapping[str, Any]]
) -> dict[str, Any]:
    """Return nested hyperparameters with objects in place of the labels that stand for them."""
    found = dict(params)
    for (name, *inner), labels in objects.items():
        if name not in found:
            continue
        if inner:
            found[name] = with_objects(found[name], {tuple(inner): labels})
        elif isinstance(found[name], str) and found[name] in labels:
            found[name] = labels[found[name]]
    return found


def arguments(
    function: Callable[..., Any], params: Mapping[str, Any], names: Collection[str]
) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments with which to call the function.

    `names` are those of all hyperparameters, also of those that this trial does not have.
    """
    taken = parameters_of(function)
    if taken is None:
        return [], dict(params)
    own = {name: os.environ.get(variable) or None for name, variable in OWN.items()}
    given = {name: value for name, value in own.items() if name in taken}
    name = the_dict(taken, names)
    if name:
        if taken[name].kind is inspect.Parameter.POSITIONAL_ONLY:
            return [dict(params)], given
        return [], {name: dict(params), **given}
    return [], {**params, **given}


def parameters_of(function: Callable[..., Any]) -> dict[str, inspect.Parameter] | None:
    """Return the parameters of a function by name, or None if it does not tell them."""
    try:
        return dict(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return None


def the_dict(taken: Mapping[str, inspect.Parameter], names: Collection[str]) -> str:
    """Return the parameter that gets all hyperparameters as one dict, or an empty string.

    It is the only one, or the only one without a default, and no hyperparameter has its name or
    that of another parameter.
    """
    others = {name: one for name, one in taken.items() if name not in OWN}
    kinds = (*_BY_NAME, inspect.Parameter.POSITIONAL_ONLY)
    if not all(one.kind in kinds for one in others.values()) or others.keys() & set(names):
        return ""
    needed = [name for name, one in others.items() if one.default is one.empty]
    found = list(others) if len(others) == 1 else needed
    return found[0] if len(found) == 1 else ""


def unfit(function: Callable[..., Any], names: Collection[str], always: Collection[str]) -> str:
    """Return why a function cannot be called with the hyperparameters, or an empty string.

    `always` are those that every trial has.
    """
    taken = parameters_of(function)
    if taken is None or the_dict(taken, names):
        return ""
    by_name = {name for name, one in taken.items() if one.kind in _BY_NAME}
    if not any(one.kind is _ANY_NAME for one in taken.values()):
        for name in sorted(set(names) - by_name):
            return f"has no parameter {name}, which is a hyperparameter"
    for name, one in taken.items():
        is_optional = one.default is not one.empty or one.kind in (_ANY_NAME, one.VAR_POSITIONAL)
        if not (is_optional or name in always or name in OWN):
            why = "not every trial has" if name in names else "is no hyperparameter"
            return f"has the parameter {name} without a default, which {why}"
    return ""


def _report(function: Callable[..., Any], returned: Any) -> None:
    """Report what the function returned as the final result, unless it has reported one."""
    if returned is None and (_has_reported() or report.should_stop()):
        return
    try:
        report.as_score("final", returned)
    except TypeError:
        if not _has_reported():
            name = getattr(function, "__name__", "the function")
            print(
                f"autofinetune: {name} returned {type(returned).__name__} and did not call "
                "report_final_result; return the score, a number",
                file=sys.stderr,
            )
        return
    if not _has_reported():
        report.report_final_result(returned)


def _has_reported() -> bool:
    """Return whether this trial or a process that it started has reported its final result."""
    path = os.environ.get(report.REPORT_FILE_VARIABLE, "")
    try:
        with open(path, "rb") as file:
            return any(line.startswith(b'{"final"') for line in file)
    except OSError:
        return False
