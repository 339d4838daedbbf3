"""Measures coverage in runners, in servers of forks, and in a Python until its very end."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import pytest

MEASURED_RUNNER = """
import sys; sys.path[:] = {path!r}; import coverage
coverage.Coverage({data!r}, auto_data=True, data_suffix=True, config_file={config!r}).start()
sys.path.insert(0, sys.argv[2])
from autofinetune.runner.main import main
raise SystemExit(main(sys.argv[1], *map(int, sys.argv[3:])))
"""
# In place of the folder that makes a Python a server of forks. They end without Python's help, and
# may be killed while they do: a file of data is whole or not there.
MEASURED_BOOT = """
import atexit, coverage, os, sys
here = os.path.dirname(os.path.abspath(__file__))  # hides the machine's own, as the real one does
sys.path[:] = [path for path in sys.path if os.path.abspath(path) != here]
measured = coverage.Coverage({data!r} + "-part", data_suffix=True, config_file={config!r})
measured.start()
end = os._exit
def save():
    measured.stop()
    measured.save()
    part = measured.get_data().data_filename()
    os.rename(part, part.replace("-part.", "."))
def save_and_end(code):
    save()
    end(code)
os._exit = save_and_end
atexit.register(save)
with open({boot!r}) as file:
    code = file.read()  # a trial closes what was open before it
__file__ = {boot!r}
exec(compile(code, {boot!r}, "exec"))
"""
# A module for a Python that makes a `Teardown`. No exit handler may be there before that, and the
# modules are gone when it is over, so coverage gets them back to save its data.
MEASURED_END = """
import atexit, coverage, sys
measured = coverage.Coverage({data!r}, data_suffix=True, config_file={config!r})
measured.start()
atexit._clear()
from autofinetune.preload.teardown import _Rest
script = sys.modules["__main__"]  # it has a second name, too
modules = {{name: module for name, module in sys.modules.items() if module is not script}}
del script
end = _Rest.__del__
def end_and_save(rest):
    is_over = rest.probe is not None
    end(rest)
    if is_over:
        sys.settrace(None)
        sys.modules.update(modules)
        measured.stop()
        measured.save()
_Rest.__del__ = end_and_save
"""
# Put before the code of a Python that makes a `Teardown`; empty where nothing is measured.
to_the_end = ""


def begin(session: pytest.Session) -> None:
    """Replace what starts such processes, if this process is measured."""
    global to_the_end
    measuring = sys.modules["coverage"].Coverage.current() if "coverage" in sys.modules else None
    if measuring is None:
        return
    from autofinetune.executors.files import hand_over
    from autofinetune.executors.local import start

    data = Path(measuring.get_option("run:data_file")).absolute()
    places = {
        "path": sys.path,
        "data": str(data),
        "config": str(session.config.rootpath / "pyproject.toml"),
        "boot": str(Path(hand_over.BOOT, "sitecustomize.py")),
    }
    start.START_RUNNER = (*start.START_RUNNER[:-1], MEASURED_RUNNER.format(**places))
    boot, ends = Path(tempfile.mkdtemp()), Path(tempfile.mkdtemp())
    session.config.add_cleanup(lambda: _clean_up([boot, ends], data))
    hand_over.BOOT = str(boot)
    (boot / "sitecustomize.py").write_text(MEASURED_BOOT.format(**places))
    (ends / "measured_end.py").write_text(MEASURED_END.format(**places))
    to_the_end = (
        f"import sys; sys.path.insert(0, {str(ends)!r}); import measured_end; del sys.path[0]\n"
    )


def _clean_up(folders: list[Path], data: Path) -> None:
    """Remove what made others measured, and what they had no time to finish."""
    for folder in folders:
        shutil.rmtree(folder)
    for path in data.parent.glob(f"{data.name}-part.*"):
        path.unlink(missing_ok=True)
