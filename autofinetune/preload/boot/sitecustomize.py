"""Loaded by Python before a script, since this folder is first on the PYTHONPATH of a trial.

It loads the layer around train.py, and then the machine's own `sitecustomize`. Older Pythons than
3.8 go on without it.

With `--preload` it is first loaded as part of `python -c`, which only shows that this file is what
Python loads: that process then becomes `python train.py`, in which this module serves forks and
returns in the trials alone. Python itself goes on there, so that a trial is started by the same
code as any other script.
"""

import sys

PLAIN = frozenset(sys.modules)  # what any script finds loaded

import os  # noqa: E402

ORDER, ROOM, MARK = "AUTOFINETUNE_PRELOAD", "AUTOFINETUNE_ROOM", "AUTOFINETUNE_MARK"
_HERE = os.path.dirname(os.path.abspath(__file__))
_PACKAGE = os.path.dirname(os.path.dirname(_HERE))


def become_server():
    """Turn this process into `python train.py` with this module before it.

    The JSON in its argument is what `autofinetune.preload.server.serve` reads.
    """
    import json

    order = json.loads(sys.argv[1])
    # What trials write over stands last: the room for their own words and variables.
    path = os.environ["PYTHONPATH"]
    room = {ORDER: sys.argv[1], "PYTHONPATH": path, ROOM: "." * order["room"]}
    stays = {name: v for name, v in os.environ.items() if name not in (MARK, *room)}
    argv = [order["python"], order["script"], "." * order["room"]]
    os.execve(order["python"], argv, {**stays, **room})


def _package():
    """Make `autofinetune` importable, also for a Python that does not have it installed."""
    if "autofinetune" in sys.modules:
        return
    import importlib.machinery  # importlib.util takes ten times as long

    spec = importlib.machinery.PathFinder.find_spec("autofinetune", [os.path.dirname(_PACKAGE)])
    module = type(sys)("autofinetune")
    module.__spec__, module.__loader__, module.__file__ = spec, spec.loader, spec.origin
    module.__path__, module.__package__ = [_PACKAGE], "autofinetune"
    sys.modules["autofinetune"] = module
    spec.loader.exec_module(module)


def _serve():
    try:
        import json

        order = json.loads(os.environ.pop(ORDER))
        del os.environ[ROOM]
        if order["pythonpath"] is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = order["pythonpath"]
        from autofinetune.preload import server

        server.serve(order, ORDER, PLAIN)
    except BaseException as error:  # whatever it is: the script must not run in this process
        sys.stderr.write("%s: %s\n" % (type(error).__name__, error))
        sys.stderr.flush()
        os._exit(1)


def _begin():
    from autofinetune.integration import layer

    layer.install()
    order = os.environ.get(ORDER)
    if order == "":
        return  # of the process that asks which file is loaded, and becomes the server
    if order is None:
        layer.begin_trial()
        layer.chain(sys.modules[__name__])
    else:
        _serve()  # it returns in the trials
        layer.begin_trial()


if sys.version_info >= (3, 8):
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != _HERE]
    _package()
    _begin()
