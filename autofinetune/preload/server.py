"""Imports modules once and then forks: each fork is the runner of an attempt and forks the trial.

The local executor starts one such process per run (see `boot/sitecustomize.py`), and talks to it
through a socket, one message each way:

    <- {"seconds": 2.3}  when ready,  or  {"problem": "why not"}
    -> {"directory": of the attempt, "env": additional variables, "has_lifeline": true}
       with descriptors: the runner's log, the lifeline, and what the trial inherits
    <- {"pid": ..., "start_time": ..., "boot_id": ...}  of the runner,  or  {"errno": ...}

One spare runner always waits for the next request, so that a trial needs a single fork. When the
executor closes its end, the server exits; its runners have their own sessions and continue.
"""

from __future__ import annotations

import errno
import json
import os
import select
import signal
import socket
import sys
import time
import traceback
from typing import Any

from autofinetune.preload import forksafe
from autofinetune.preload.imports import as_in_script, import_all, import_late
from autofinetune.preload.shown import Shown
from autofinetune.preload.teardown import Teardown, gather
from autofinetune.runner.main import CHANGED, main
from autofinetune.runner.processes import (
    MARK_VARIABLE,
    descendants,
    end_with_parent,
    identity,
    send_to,
)

MAX_MESSAGE = 1 << 16
MAX_DESCRIPTORS = 64
_KEPT_OUTPUT = 1 << 16


class _IsTrial(BaseException):
    """Raised in the fork that becomes the trial, to leave the code of its runner."""


def serve(order: dict[str, Any], first: str, plain: frozenset[str]) -> None:
    """Import modules and serve forks; returns only in the forks that run the script.

    `order` has the `script`, the `steps` (see `preload.steps`), and a `title` for `ps`; `first` is
    as for `Shown`, and `plain` are the modules loaded before any script.
    """
    server = _Server(order, first, plain)
    server.work()
    server.become_trial()


class _Server:
    def __init__(self, order: dict[str, Any], first: str, plain: frozenset[str]) -> None:
        self.control = socket.socket(fileno=os.dup(1))
        self.captured = os.memfd_create("output of the imports")
        for descriptor in (1, 2):
            os.dup2(self.captured, descriptor)
        end_with_parent(signal.SIGKILL)
        self.order = order
        self.plain = plain
        self.shown = Shown(first)
        self.output = b""  # output of the imports, written at the start of every trial's log
        self.imported: set[int] = set()  # descriptors that the imports opened
        self.runners: dict[int, int] = {}  # pid by pidfd
        self.argv: list[str] = []
        self.own: dict[str, str] = {}  # additional variables of the attempt and the trial
        self.handlers: dict[int, Any] = {}

    def work(self) -> None:
        """Prepare and serve; returns only in a trial."""
        self.shown.command(self.order["title"])
        self.shown.environment({})
        began = time.monotonic()
        problem = self._prepare()
        if problem:  # processes started by the imports may have their own sessions
            send_to(descendants(os.getpid()), signal.SIGKILL)
        self._tell({"problem": problem} if problem else {"seconds": time.monotonic() - began})
        if problem or not self._serve():
            os._exit(0)

    def _tell(self, message: dict[str, Any]) -> None:
        try:
            self.control.send(json.dumps(message).encode())
        except OSError:
            os._exit(0)  # the executor is gone

    # --- before the first fork ------------------------------------------------------------------

    def _prepare(self) -> str:
        """Import the modules; return why trials cannot be forked, or an empty string."""
        for signum in CHANGED:  # reset, as our parent may have ignored some
            is_int = signum == signal.SIGINT
            signal.signal(signum, signal.default_int_handler if is_int else signal.SIG_DFL)
        script = self.order["script"]
        script_dir = os.path.dirname(os.path.realpath(script))
        before = forksafe.descriptors()
        teardown = Teardown()
        with as_in_script(script, script_dir):
            problem = import_all(self.order["steps"])
        sys.stdout.flush()
        sys.stderr.flush()
        self.output = os.pread(self.captured, _KEPT_OUTPUT, 0)
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        for descriptor in (1, 2):
            os.dup2(null, descriptor)
        os.close(null)
        os.close(self.captured)
        problem = problem or forksafe.obstacle(before, script_dir, self.plain)
        if not problem:
            known = forksafe.descriptors()
            with as_in_script(script, script_dir):
                import_late(lambda: forksafe.obstacle(known, script_dir, self.plain))
        self.imported = forksafe.descriptors() - before
        sys.path_importer_cache.pop(script_dir, None)
        teardown.spare_imported()
        gather()
        return problem

    # --- serving --------------------------------------------------------------------------------

    def _serve(self) -> bool:
        """Keep a spare runner until the executor is gone; returns, with True, only in a trial."""
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
        while True:
            taken, takes = os.pipe2(os.O_CLOEXEC)
            try:
                pid = os.fork()
            except OSError as error:  # a fork failed: report it to the next request
                self._refuse(self._receive()[1], error.errno)
            else:
                if pid == 0:
                    os.close(taken)
                    return self._be_runner(takes)
                self.runners[os.pidfd_open(pid)] = pid
            os.close(takes)
            self._wait_for(taken)
            os.close(taken)

    def _wait_for(self, taken: int) -> None:
        """Wait until the spare runner has a request; collect runners that exit meanwhile."""
        poller = select.poll()
        poller.register(self.control.fileno(), 0)  # only for hang-up: the runner reads requests
        for descriptor in (taken, *self.runners):
            poller.register(descriptor, select.POLLIN)
        ready: list[int] = []
        while taken not in ready:
            ready = [descriptor for descriptor, _ in poller.poll()]
            if self.control.fileno() in ready:
                os._exit(0)  # the executor is gone
            for descriptor in self.runners.keys() & set(ready):
                poller.unregister(descriptor)
                os.close(descriptor)
                os.waitpid(self.runners.pop(descriptor), 0)

    def _be_runner(self, takes: int) -> bool:
        """Wait for an attempt and run it; returns, with True, only in the trial."""
        code = 1
        try:
            end_with_parent(signal.SIGKILL)
            os.setsid()
            for descriptor in self.runners:
                os.close(descriptor)
            self.handlers = {signum: signal.getsignal(signum) for signum in CHANGED}
            request, passed = self._take()
            os.close(takes)
            self.control.close()
            log = passed.pop(0)
            for descriptor in (1, 2):
                os.dup2(log, descriptor)
            os.close(log)
            lifeline = passed.pop(0) if request["has_lifeline"] else None
            for descriptor in passed:
                os.set_inheritable(descriptor, True)
            self._take_environment(request["env"])
            self.shown.command(f"autofinetune.runner.main {request['directory']}")
            code = main(request["directory"], lifeline, self._fork_trial)
        except _IsTrial:
            return True
        except BaseException:
            traceback.print_exc()
        os._exit(code)

    def _take(self) -> tuple[dict[str, Any], list[int]]:
        """Return the next request and its descriptors; until then, die with the server."""
        who = identity(os.getpid())
        data, passed, is_whole = self._receive()
        while not is_whole:
            self._refuse(passed, errno.EMFILE)
            data, passed, is_whole = self._receive()
        end_with_parent(0)
        self._tell(who)
        return json.loads(data), passed

    def _receive(self) -> tuple[bytes, list[int], bool]:
        """Return a request, empty if the executor is gone, its descriptors, and if all arrived."""
        flags = socket.MSG_CMSG_CLOEXEC
        data, passed, cut, _ = socket.recv_fds(self.control, MAX_MESSAGE, MAX_DESCRIPTORS, flags)
        return data, passed, not cut & socket.MSG_CTRUNC

    def _refuse(self, passed: list[int], code: int | None) -> None:
        for descriptor in passed:
            os.close(descriptor)
        self._tell({"errno": code})

    def _take_environment(self, variables: dict[str, str]) -> None:
        """Set the variables that differ, and show them to other processes."""
        new = {name: v for name, v in variables.items() if os.environ.get(name) != v}
        if not new:
            return
        os.environ.update(new)
        self.own |= new
        mine = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
        mark = {MARK_VARIABLE: os.environ.get(MARK_VARIABLE, "")}
        self.shown.environment({**mark, **self.own, **mine})

    def _fork_trial(
        self, argv: list[str], environ: dict[str, str], stdin: int, output: int
    ) -> int:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, CHANGED)
        pid = os.fork()
        if pid == 0:
            for target, source in ((0, stdin), (1, output), (2, output)):
                os.dup2(source, target)
            self.argv = argv
            self._take_environment(environ)
            raise _IsTrial
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return pid

    def become_trial(self) -> None:
        """Restore the state in which `python train.py` starts."""
        os.setsid()
        signal.set_wakeup_fd(-1)
        for signum, handler in self.handlers.items():
            signal.signal(signum, signal.SIG_DFL if handler is None else handler)
        for descriptor in forksafe.descriptors() - self.imported - {0, 1, 2}:
            if not os.get_inheritable(descriptor):
                os.close(descriptor)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        sys.argv[:] = self.argv[1:]
        sys.orig_argv[:] = self.argv
        self.shown.command(" ".join(self.argv))
        _draw_seeds()
        if self.output:
            os.write(1, self.output)


def _draw_seeds() -> None:
    """Reseed the generators that each process seeds randomly; Python reseeds its own."""
    numpy, torch = (sys.modules.get(name) for name in ("numpy.random", "torch"))
    if numpy is not None:
        numpy.seed()
    if torch is not None:
        torch.default_generator.seed()
