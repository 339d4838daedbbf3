"""Loaded by Python before a script, because this folder is first on the PYTHONPATH of a trial.

It loads the layer around train.py, and then the machine's own `sitecustomize`. Pythons older than
3.8 skip the layer.

With `--preload`, it is first loaded by `python -c`, which only checks that Python loads this file.
That process then becomes `python train.py`, in which this module serves forks and returns only in
the trials. Python itself continues there, so that a trial is started by the same code as any other
script.
"""

import sys

PLAIN = frozenset(sys.modules)  # modules loaded before any script

import os  # noqa: E402

ORDER, ROOM, MARK = "AUTOFINETUNE_PRELOAD", "AUTOFINETUNE_ROOM", "AUTOFINETUNE_MARK"
_HERE = os.path.dirname(os.path.abspath(__file__))
_PACKAGE = os.path.dirname(os.path.dirname(_HERE))


def become_server():
    """Turn this process into `python train.py`, which loads this module first.

    Its argument is the JSON that `autofinetune.preload.server.serve` reads.
    """
    import json

    order = json.loads(sys.argv[1])
    # Padding comes last: trials overwrite it with their own command line and variables.
    path = os.environ["PYTHONPATH"]
    room = {ORDER: sys.argv[1], "PYTHONPATH": path, ROOM: "." * order["room"]}
    stays = {name: v for name, v in os.environ.items() if name not in (MARK, *room)}
    argv = [order["python"], order["script"], "." * order["room"]]
    os.execve(order["python"], argv, {**stays, **room})


def _package():
    """Make `autofinetune` importable, even in a Python that does not have it installed."""
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
    except BaseException as error:  # of any kind: the script must not run in this process
        sys.stderr.write("%s: %s\n" % (type(error).__name__, error))
        sys.stderr.flush()
        os._exit(1)


def _begin():
    from autofinetune.adapters import layer

    layer.install()
    order = os.environ.get(ORDER)
    if order == "":
        return  # in the process that checks which file is loaded, and becomes the server
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
