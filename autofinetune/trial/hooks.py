"""Hooks that run before and after the import of a module; they never make training fail."""

from __future__ import annotations

import importlib
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

    Hook = tuple[str, str]  # the file in `adapters/`, the function in it that gets the module


class Finder:
    """Finds modules by the other finders, and calls their hooks once they are imported."""

    def __init__(self, table: Mapping[str, Hook]) -> None:
        self._table = table

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        hook = self._table.get(name)
        if hook is None:
            return None
        others = [finder for finder in sys.meta_path if finder is not self]
        found = (finder.find_spec(name, path, target) for finder in others)
        spec = next((spec for spec in found if spec is not None), None)
        if spec is not None and spec.loader is not None:
            before(hook)
            _call_after(spec.loader, hook)
        return spec


def before(hook: Hook) -> None:
    """Set the environment variables that a tool reads, except those set by the user."""
    try:
        adapter = importlib.import_module(f"autofinetune.adapters.{hook[0]}")
        environment: Callable[[], Mapping[str, str]] | None
        environment = getattr(adapter, "environment", None)
        if environment is not None and os.environ.get("AUTOFINETUNE_REPORT_FILE"):
            os.environ.update(environment())
    except Exception as error:
        complain(f"cannot set the variables of {hook[0]}: {type(error).__name__}: {error}")


def _call_after(loader: Any, hook: Hook) -> None:
    run = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        run(module)
        try:
            adapter = importlib.import_module(f"autofinetune.adapters.{hook[0]}")
            getattr(adapter, hook[1])(module)
        except Exception as error:
            complain(f"cannot hook into {module.__name__}: {type(error).__name__}: {error}")

    try:
        loader.exec_module = exec_module
    except AttributeError as error:
        complain(f"cannot hook into {hook[0]}: {error}")


def around(owner: Any, name: str, ours: Callable[..., Any]) -> None:
    """Make `owner.name` call `ours` with the original function before its arguments.

    Raises:
        AttributeError: there is no such function, as in another version of the library.
    """
    import functools

    original = getattr(owner, name)

    @functools.wraps(original)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return ours(original, *args, **kwargs)

    setattr(owner, name, wrapper)


def wrap(owner: Any, name: str, note: Callable[..., None]) -> None:
    """Call `note` with the same arguments after each successful call of `owner.name`.

    Its exceptions do not reach the script, except SystemExit.
    """

    def noted(original: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        quietly(note, *args, **kwargs)
        return result

    around(owner, name, noted)


def in_trial(module: ModuleType, name: str, ours: Callable[..., Any]) -> None:
    """Replace a function by `ours` in trials, but not in the process that preloads modules."""

    def chosen(original: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        is_trial = bool(os.environ.get("AUTOFINETUNE_REPORT_FILE"))
        return (ours if is_trial else original)(*args, **kwargs)

    if not hasattr(module, name):
        setattr(module, name, ours)
    around(module, name, chosen)


def with_callback(owner: Any, name: str, make: Callable[[], Any]) -> None:
    """In a trial, add what `make` returns to the argument `callbacks` of `owner.name`.

    The argument may be given by name, by position or not at all.
    """
    import inspect

    signature = inspect.signature(getattr(owner, name))

    def called(original: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        if not os.environ.get("AUTOFINETUNE_METRIC"):
            return original(*args, **kwargs)
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError:
            return original(*args, **kwargs)  # raises its own error
        given: Any = bound.arguments.get("callbacks")
        if hasattr(given, "append") and not isinstance(given, list):  # a CallbackList of Keras
            given.append(make())
        else:
            several = given if isinstance(given, (list, tuple, set)) else [given]
            bound.arguments["callbacks"] = [*(one for one in several if one is not None), make()]
        return original(*bound.args, **bound.kwargs)

    around(owner, name, called)


def quietly(call: Callable[..., None], *args: Any, **kwargs: Any) -> None:
    """Call a function; log its exceptions once, and do not pass them on."""
    try:
        call(*args, **kwargs)
    except Exception as error:
        complain(f"{type(error).__name__}: {error}")


_said: set[str] = set()


def complain(sentence: str) -> None:
    """Write one line to the trial's log; repeated sentences are dropped."""
    if sentence in _said:
        return
    _said.add(sentence)
    try:
        print(f"autofinetune: {sentence}", file=sys.stderr, flush=True)
    except (OSError, ValueError, AttributeError):  # standard error is closed or gone
        pass
