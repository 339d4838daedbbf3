"""The function that a run tunes: pickled into its directory, beside the script that trials run.

It is pickled by cloudpickle, so it may be of a notebook, of `__main__`, a lambda or a closure.
Only trials unpickle it (`trial/function.py`). Whether it is complete is checked before the first
trial, by the head of its file and its SHA-256.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import json
import os
import re
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from autofinetune.config.config import MODEL_PATH, Config
from autofinetune.config.passing import CALLS
from autofinetune.errors import EnvironmentProblem, UsageError
from autofinetune.library import Library
from autofinetune.preload.steps import is_installed
from autofinetune.run.arrays import Arrays, link
from autofinetune.space.defined import Defined, label_of
from autofinetune.space.fields import short
from autofinetune.store.directory import Place, read_file, write_atomically
from autofinetune.store.paths import RunPaths
from autofinetune.trial.function import parameters_of, payload_name, unfit

_LIBRARY = Library("cloudpickle", "2.2", "autofinetune[python]")
_LARGE_MB = 64
_LONGEST_HEAD = 1 << 20
_SCRIPT = '''\
"""Calls the tuned function, which lies in {payload}, with AUTOFINETUNE_PARAMS.

Written by autofinetune.
"""

from autofinetune.trial.function import main

if __name__ == "__main__":
    main(__file__, "{sha256}")
'''
_SHA256 = re.compile(rb'main\(__file__, "([0-9a-f]{64})"\)')
_IN_MODULES = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType, type)
_AGAIN = "give it again: aft.tune(train, space, output_dir=..., resume=True)"


@dataclass(frozen=True)
class Packed:
    """A function as its file has it, and the arrays to which it refers."""

    name: str
    data: bytes
    arrays: Mapping[str, Path]
    modules: tuple[str, ...]
    """The installed packages that it uses, but for those that it imports itself."""
    takes_model: bool
    """Whether it has the parameter `model_path`, so that it can continue a model."""


def packed(function: Callable[..., Any], defined: Defined, tell: Callable[[str], None]) -> Packed:
    """Pickle a function with the values of its space that are objects.

    Raise UsageError if it cannot be pickled, or does not fit the hyperparameters;
    EnvironmentProblem without cloudpickle.
    """
    name = label_of(function)
    why = unfit(function, defined.arguments, defined.in_every_trial)
    if why:
        raise UsageError(
            f"{name} {why}",
            "it gets each hyperparameter by name, or all of them as a dict if it has one "
            f"parameter; they are: {', '.join(sorted(defined.arguments))}",
        )
    _LIBRARY.check("tuning a function")
    payload = {
        "function": function,
        "compute": defined.compute,
        "objects": dict(defined.objects),
        "names": sorted(defined.arguments),
    }
    arrays, modules = Arrays(), set[str]()
    try:
        pickled = _pickled(payload, arrays, modules)
    except Exception as error:
        raise _unpicklable(name, payload, error) from None
    megabytes = len(pickled) / 2**20
    if megabytes > _LARGE_MB:
        tell(f"note: {name} with all that it refers to has {megabytes:.0f} MB, which every trial "
             "reads; X = aft.put(X) keeps a large array in a file that trials share")  # fmt: skip
    path = [str(Path(entry).absolute()) for entry in sys.path if isinstance(entry, str)]
    head = {"path": list(dict.fromkeys(path)), "arrays": arrays.sizes}
    data = json.dumps(head).encode() + b"\n" + pickled
    takes_model = MODEL_PATH in (parameters_of(function) or ())
    packages = {module.partition(".")[0] for module in modules} - sys.stdlib_module_names
    used = tuple(sorted(filter(is_installed, packages - {"autofinetune", "__main__"})))
    return Packed(name, data, arrays.files, used, takes_model)


def _pickled(value: object, arrays: Arrays, modules: set[str]) -> bytes:
    """Return a pickle; add the arrays, and the modules that unpickling imports."""
    import cloudpickle

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
        def reducer_override(self, one: Any) -> Any:
            found = arrays.reduced(one) or super().reducer_override(one)
            if found is NotImplemented and isinstance(one, _IN_MODULES):
                is_module = isinstance(one, types.ModuleType)
                modules.add(str(one.__name__ if is_module else one.__module__))
            return found

    file = io.BytesIO()
    Pickler(file).dump(value)
    return file.getvalue()


def _unpicklable(name: str, payload: Mapping[str, Any], error: Exception) -> UsageError:
    """Return an error that names the value that cannot be pickled."""
    inside = _innermost(payload)
    why = f"{type(error).__name__}: {error}"
    if inside is None:
        return UsageError(f"{name} cannot be sent to the trials: {why}", _CREATE)
    what, value = inside
    return UsageError(
        f"{name} cannot be sent to the trials, because {what} ({type(value).__name__}) cannot be "
        f"pickled: {why}",
        _CREATE,
    )


_CREATE = "create it inside the function, or pass what it is made from"


def _fails(value: Any) -> bool:
    try:
        _pickled(value, Arrays(), set())
    except Exception:
        return True
    return False


def _innermost(payload: Mapping[str, Any]) -> tuple[str, Any] | None:
    """Return what cannot be pickled of what the functions in a payload refer to, and its name."""
    found = None
    waiting = [("", payload["function"]), ("", payload["compute"])]
    for path, values in payload["objects"].items():
        where = ".".join(path)
        waiting += [(f"the value {label} of {where}", one) for label, one in values.items()]
    seen = set[int]()
    while waiting:
        name, one = waiting.pop(0)
        if id(one) in seen or not _fails(one):
            continue
        seen.add(id(one))
        if name:
            found = name, one
        waiting = list(_parts(one))  # the cause is in one of them, or here
    return found


def _parts(one: Any) -> Iterator[tuple[str, Any]]:
    """Yield the names and values to which a function, a class, a mapping and so on refer."""
    if isinstance(one, Mapping):
        yield from ((str(name), value) for name, value in one.items())
    elif isinstance(one, type) or hasattr(one, "__dataclass_fields__"):
        yield from vars(one).items()
    elif isinstance(one, types.MethodType):
        yield "its object", one.__self__
        yield from _parts(one.__func__)
    elif isinstance(one, types.FunctionType):
        code, cells = one.__code__, one.__closure__ or ()
        for name, cell in zip(code.co_freevars, cells, strict=True):
            with contextlib.suppress(ValueError):  # not assigned yet
                yield name, cell.cell_contents
        for name in _names_in(code):
            if name in one.__globals__:
                yield name, one.__globals__[name]
        defaults = (*(one.__defaults__ or ()), *(one.__kwdefaults__ or {}).values())
        yield from ((f"the default {short(value)}", value) for value in defaults)
    elif hasattr(one, "func") and hasattr(one, "keywords"):  # a partial
        yield label_of(one.func), one.func
        yield from ((f"the argument {short(value)}", value) for value in one.args)
        yield from one.keywords.items()


def _names_in(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from _names_in(inner)


# --- in the directory of a run ------------------------------------------------------------------


def write_function(function: Packed, paths: RunPaths) -> None:
    """Write the function into a directory that is locked for us, in place of an earlier one."""
    folder, script = paths.place_of(paths.function), paths.function_script.name
    sha256 = hashlib.sha256(function.data).hexdigest()
    payload = payload_name(sha256)
    text = _SCRIPT.format(payload=payload, sha256=sha256)
    try:
        with folder.opened(create=True, mode=0o700) as here:
            for name, file in function.arrays.items():
                link(file, here / name)
            kept = {payload, *function.arrays, *_files_of(here, script)}
            write_atomically(here / payload, function.data, 0o600)
            write_atomically(here / script, text.encode(), 0o600)
            for old in (*here.glob("*.npy"), *here.glob("*.pkl")):
                if old.name not in kept:
                    old.unlink()
    except OSError as error:
        raise EnvironmentProblem(
            f"the function cannot be written to {paths.function}: {error.strerror or error}",
            "free some space, or choose another output_dir",
        ) from None


def _files_of(here: Path, script: str) -> set[str]:
    """Return the files of the function that a script calls, which running trials may load."""
    known = _SHA256.search(read_file(here / script)) if (here / script).exists() else None
    if known is None:
        return set()
    payload = payload_name(known[1].decode())
    try:
        with _opened(here / payload) as file:
            head = json.loads(file.readline(_LONGEST_HEAD))
        return {payload, *map(str, head["arrays"])}
    except (OSError, ValueError, TypeError, KeyError):
        return {payload}  # lost or damaged


def _opened(payload: Path) -> BinaryIO:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    return os.fdopen(os.open(payload, flags), "rb")


def _head_of(payload: Path) -> tuple[Any, str]:
    """Return the first line of a payload, and its SHA-256."""
    with _opened(payload) as file:
        found = hashlib.sha256()
        head = file.readline(_LONGEST_HEAD)
        found.update(head)
        while chunk := file.read(1 << 20):
            found.update(chunk)
    return json.loads(head), found.hexdigest()


def is_function(config: Config) -> bool:
    """Return whether a run tunes a function, by the place of its script."""
    script = Path(config.script)
    is_ours = script == RunPaths(script.parent.parent).function_script
    return is_ours and script.is_absolute() and config.passing == CALLS


def at_home(config: Config, paths: RunPaths) -> Config:
    """Return the config of a run with its function in the directory where it lies now."""
    if not is_function(config):
        return config
    return dataclasses.replace(config, script=str(paths.function_script))


def check_function(config: Config) -> None:
    """Raise UsageError if a part of the function is missing, or another one is in its place."""
    script = config.script_path
    folder = script.parent
    try:
        with Place(folder.parent, folder.name).opened() as here:
            problem = _problem(here, script.name)
    except OSError as error:
        problem = f"{error.strerror or error}"
    if problem:
        raise UsageError(f"the function of this run cannot be used: {folder}: {problem}", _AGAIN)


def _problem(here: Path, script: str) -> str:
    if not (here / script).exists():
        return f"there is no {script}"
    known = _SHA256.search(read_file(here / script))
    if known is None:
        return ""  # a script of the user's own
    sha256 = known[1].decode()
    payload = payload_name(sha256)
    if not (here / payload).exists():
        return f"there is no {payload}"
    try:
        head, found = _head_of(here / payload)
    except ValueError:
        found = ""
    if found != sha256:
        return f"{payload} has changed"
    for name, size in head["arrays"].items():
        try:
            found_size = (here / name).lstat().st_size
        except OSError:
            return f"there is no {name}"
        if found_size != size:
            return f"{name} has changed"
    return ""
