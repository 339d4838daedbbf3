"""Spares a fork of a process with many modules the work of taking them apart when it ends.

Python empties every module at its end, and a fork copies every page that it touches in doing so.
What the script has made and imported is taken apart as always. The modules that were there before
the fork are left to the kernel, as memory is, unless something of the script's with an end of its
own hangs on them, such as a file with something still to write: then all are taken apart.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import io
import os
import sys
from collections.abc import Iterator
from types import ModuleType

# Python itself needs them to the end; the last two show warnings.
_NEEDED = frozenset({"builtins", "sys", "warnings", "linecache"})


class Teardown:
    """To be made before anything is imported, so that it comes last of what is done at the end.

    Where something else is to be done at the end already, nothing is spared.
    """

    def __init__(self) -> None:
        self._is_last = not atexit._ncallbacks()
        self._rest = _Rest()
        atexit.register(self._leave)

    def spare_imported(self) -> None:
        """Spare the modules that are there now, and keep the collector from what is.

        It would write to it, and so copy every page. Not from the module of the script, or what it
        leaves behind would never be finalized.
        """
        script = sys.modules["__main__"]  # multiprocessing gives it a second name
        if self._is_last:
            self._rest.spared = {
                n: m for n, m in sys.modules.items() if n not in _NEEDED and m is not script
            }
        gc.collect()
        gc.freeze()
        for thing in (script, vars(script)):
            ctypes.pythonapi.PyObject_GC_UnTrack(ctypes.py_object(thing))
            ctypes.pythonapi.PyObject_GC_Track(ctypes.py_object(thing))
        self._rest.probe = []
        self._rest.is_noisy = bool(self._rest.spared) and _has_nanobind()

    def _leave(self) -> None:
        """Hide what is spared, and be there again when the names of all modules are gone.

        Python first forgets the modules, in their order, and then empties those that are left.
        """
        for name, module in self._rest.spared.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]
        last = ModuleType(__name__)
        vars(last)["rest"], self._rest = self._rest, _Rest()
        sys.modules[__name__] = last


class _Rest:
    """Goes with the last module: what hangs neither on a spared one nor on C then is garbage."""

    def __init__(self) -> None:
        self.spared: dict[str, ModuleType] = {}
        self.probe: list[object] | None = None  # not frozen, unless the script does that
        self.is_noisy = False

    def __del__(self) -> None:
        if self.probe is None:
            return
        gc.collect()
        if _have_own_end(self.probe):
            gc.unfreeze()
            self.spared.clear()
            gc.collect()
        else:  # they are never let go
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self.spared))
            if self.is_noisy:
                _hush()


def _has_nanobind() -> bool:
    """Whether a module is made with nanobind, as triton is: at the end it counts as lost, on
    standard error, what still lives of its types."""
    return any(
        type(value).__name__.startswith("nb_type")
        for module in list(sys.modules.values())
        for value in list(getattr(module, "__dict__", {}).values())
    )


def _hush() -> None:
    """Nothing of Python's writes any more; what libraries say of spared modules is no news."""
    if sys.__stderr__ is not None:
        sys.__stderr__.flush()
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    os.close(null)


def _have_own_end(probe: object) -> bool:
    """Whether anything made since `probe` has, but closed files and the standard streams."""
    alive = gc.get_objects()
    if not any(one is probe for one in alive):
        return True
    try:
        kinds = {id(kind): kind for kind in map(type, alive)}
        ends = {number for number, kind in kinds.items() if hasattr(kind, "__del__")} - {id(_Rest)}
        standard = {*_layers(sys.__stdin__), *_layers(sys.__stdout__), *_layers(sys.__stderr__)}
        found = (one for one in alive if id(type(one)) in ends and id(one) not in standard)
        return not all(isinstance(one, io.IOBase) and one.closed for one in found)
    except BaseException:  # some types answer like this
        return True


def _layers(stream: object) -> Iterator[int]:
    while stream is not None:
        yield id(stream)
        stream = getattr(stream, "buffer", None) or getattr(stream, "raw", None)
