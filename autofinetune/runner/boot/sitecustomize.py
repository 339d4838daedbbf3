"""Loaded by Python before a script, where the local executor put this folder into PYTHONPATH.

First as part of `python -c`, which only shows that this file is what Python loads: that process
then becomes `python train.py`, in which this module serves forks and returns in the trials alone.
Python itself goes on there, so that a trial is started by the same code as any other script.
"""

from __future__ import annotations

import sys

PLAIN = frozenset(sys.modules)  # what any script finds loaded

import json  # noqa: E402
import os  # noqa: E402

ORDER, ROOM, MARK = "AUTOFINETUNE_PRELOAD", "AUTOFINETUNE_ROOM", "AUTOFINETUNE_MARK"


def become_server() -> None:
    """Turn this process into `python train.py` with this module before it.

    The JSON in its argument is what `autofinetune.runner.forkserver.serve` reads.
    """
    order = json.loads(sys.argv[1])
    # What trials write over stands last: the room for their own words and variables.
    path = os.environ["PYTHONPATH"]
    room = {ORDER: sys.argv[1], "PYTHONPATH": path, ROOM: "." * order["room"]}
    stays = {name: v for name, v in os.environ.items() if name not in (MARK, *room)}
    argv = [order["python"], order["script"], "." * order["room"]]
    os.execve(order["python"], argv, {**stays, **room})


def _serve() -> None:
    try:
        here, order = os.path.dirname(__file__), json.loads(os.environ.pop(ORDER))
        sys.path.remove(here)
        del os.environ[ROOM]
        path = os.environ.pop("PYTHONPATH").removeprefix(here).removeprefix(os.pathsep)
        if path:
            os.environ["PYTHONPATH"] = path
        sys.path.insert(0, order["package_parent"])
        from autofinetune.runner import forkserver

        del sys.path[0]
        forkserver.serve(order, ORDER, PLAIN)
    except BaseException as error:  # whatever it is: the script must not run in this process
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(1)


if ORDER in os.environ:
    _serve()
