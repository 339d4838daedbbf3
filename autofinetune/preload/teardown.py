"""Makes forks of a process with many modules cheap, from their start to their exit.

At exit Python clears every module, and a fork copies every memory page that this touches. What
the script created and imported is torn down as always. The modules loaded before the fork are left
to the kernel, unless they keep alive an object of the script's with a finalizer, such as a file
with unwritten data: then all modules are torn down.
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

# Python itself needs these to the end; the last two show warnings.
_NEEDED = frozenset({"builtins", "sys", "warnings", "linecache"})
_MADV_COLLAPSE = 25  # since Linux 6.1; older kernels reject it, which does no harm
_SIZE_FILE = "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size"


def gather(size_file: str = _SIZE_FILE) -> None:
    """Move written memory into huge pages, as far as the kernel supports that.

    A fork copies one entry for each huge page instead of 512. When it writes to memory, only a
    small page is copied.
    """
    try:
        with open(size_file, encoding="ascii") as file:
            size = int(file.read())
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except (OSError, ValueError):
        return
    libc = ctypes.CDLL(None)
    for line in lines:
        addresses, rights, _, _, inode, *_ = line.split()
        if rights != "rw-p" or inode != "0":
            continue
        first, last = (int(address, 16) for address in addresses.split("-"))
        start, end = -(-first // size) * size, last // size * size
        if start < end:
            libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _MADV_COLLAPSE)


class Teardown:
    """The exit handler; create it before any import, so that it runs last.

    If another exit handler is already registered, nothing is spared.
    """

    def __init__(self) -> None:
        self._is_last = not atexit._ncallbacks()
        self._rest = _Rest()
        atexit.register(self._leave)

    def spare_imported(self) -> None:
        """Spare the modules loaded now, and hide existing objects from the garbage collector.

        The collector writes to objects, so it would copy every page. The script's own module stays
        visible to it, or what it leaves behind would never be finalized.
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
        """Hide the spared modules, and add a last module that acts once all others are removed.

        Python first removes the modules in order, and then clears those that are still alive.
        """
        for name, module in self._rest.spared.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]
        last = ModuleType(__name__)
        vars(last)["rest"], self._rest = self._rest, _Rest()
        sys.modules[__name__] = last


class _Rest:
    """Deleted with the last module: only spared modules and C code then keep objects alive."""

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
        else:  # never free them
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self.spared))
            if self.is_noisy:
                _hush()


def _has_nanobind() -> bool:
    """Whether a module uses nanobind, as triton does: it reports living objects as leaks."""
    return any(
        type(value).__name__.startswith("nb_type")
        for module in list(sys.modules.values())
        for value in list(getattr(module, "__dict__", {}).values())
    )


def _hush() -> None:
    """Silence standard error: Python is done, and libraries only complain about spared modules."""
    if sys.__stderr__ is not None:
        sys.__stderr__.flush()
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    os.close(null)


def _have_own_end(probe: object) -> bool:
    """Whether an object created since `probe` has a finalizer that must run.

    Closed files and the standard streams do not count.
    """
    alive = gc.get_objects()
    if not any(one is probe for one in alive):
        return True
    try:
        kinds = {id(kind): kind for kind in map(type, alive)}
        ends = {number for number, kind in kinds.items() if hasattr(kind, "__del__")} - {id(_Rest)}
        standard = {*_layers(sys.__stdin__), *_layers(sys.__stdout__), *_layers(sys.__stderr__)}
        found = (one for one in alive if id(type(one)) in ends and id(one) not in standard)
        return not all(isinstance(one, io.IOBase) and one.closed for one in found)
    except BaseException:  # some types raise when inspected
        return True


def _layers(stream: object) -> Iterator[int]:
    while stream is not None:
        yield id(stream)
        stream = getattr(stream, "buffer", None) or getattr(stream, "raw", None)
