"""The layer in real Pythons: what is offered, hooked and chained, and that errors do no harm."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autofinetune.executors.files.hand_over import BOOT, with_layer


def python(
    code: str, *folders: Path, executable: str = sys.executable, **env: str
) -> tuple[str, str]:
    """Run Python with the layer and these folders; return its output and its errors."""
    path = with_layer(os.pathsep.join(map(str, folders)))
    plain = {n: v for n, v in os.environ.items() if not n.startswith(("AUTOFINETUNE_", "PYTHON"))}
    done = subprocess.run(
        [executable, "-c", code],
        env={**plain, "PYTHONPATH": path, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.stdout.strip(), done.stderr.strip()


def in_trial(folder: Path, **env: str) -> dict[str, str]:
    """Return the variables of a trial whose files are in `folder`."""
    return {
        "AUTOFINETUNE_REPORT_FILE": str(folder / "reports"),
        "AUTOFINETUNE_STOP_FILE": str(folder / "stop"),
        "AUTOFINETUNE_RUN": "a run",
        "AUTOFINETUNE_TRIAL": "7",
        "AUTOFINETUNE_PARAMS": '{"lr": 0.5, "net": {"units": 3}}',
        **env,
    }


def test_its_own_folder_is_not_where_modules_are_looked_for() -> None:
    out, err = python(f"import sys; print({BOOT!r} in sys.path, 'autofinetune' in sys.modules)")
    assert (out, err) == ("False True", "")


def test_it_begins_with_little(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").touch()  # as on Debian
    code = "import sys; print(*{'typing', 'json', 'functools', 'subprocess', 'pathlib', "
    code += "'importlib.util', 'tempfile', 'numpy'} & sys.modules.keys())"
    plain = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert set(python(code, tmp_path)[0].split()) <= set(plain.split())


def test_a_sitecustomize_of_the_machine_is_loaded_behind_ours(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.custom = __file__")
    code = "import sys, sitecustomize; print(sys.custom == sitecustomize.__file__)"
    assert python(code, tmp_path) == ("True", "")


def test_one_that_fails_is_told_by_python_and_the_script_goes_on(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("raise OSError('mine')")
    out, err = python("print('still here')", tmp_path)
    assert out == "still here"
    assert "OSError: mine" in err


def test_modules_stand_in_where_they_are_not_installed(tmp_path: Path) -> None:
    code = "import nni, nni.utils, t9k; from t9k import tuner; print(nni.get_next_parameter(), "
    code += "tuner.get_trial_id(), nni.utils.merge_parameter({'lr': 1.0}, {'lr': 2.0}))"
    out, err = python(code, **in_trial(tmp_path))
    assert (out, err) == ("{'lr': 0.5, 'net': {'units': 3}} 7 {'lr': 2.0}", "")


def test_what_is_installed_goes_before(tmp_path: Path) -> None:
    (tmp_path / "nni.py").write_text("here = True")
    assert python("import nni; print(nni.here)", tmp_path) == ("True", "")


def test_the_calls_of_t9k_report(tmp_path: Path) -> None:
    code = "from t9k import tuner; tuner.report_intermediate_result(0.25, 4); "
    code += "tuner.report_intermediate_result({'default': 0.5}); tuner.report_final_result(0.75)"
    assert python(code, **in_trial(tmp_path)) == ("", "")
    said = (tmp_path / "reports").read_text()
    assert '"intermediate": 0.25' in said
    assert '"step": 4' in said
    assert '"final": 0.75' in said


def other_pythons() -> list[str]:
    """Return Pythons on this machine other than the one that runs the tests."""
    names = [f"python3.{minor}" for minor in range(6, 15)]
    return [path for path in map(shutil.which, names) if path and os.access(path, os.X_OK)]


@pytest.mark.parametrize("executable", other_pythons())
def test_another_python_without_the_package_has_it_too(executable: str, tmp_path: Path) -> None:
    version = subprocess.run(
        [executable, "-c", "import sys; print(sys.version_info[1])"],
        capture_output=True,
        text=True,
        check=False,
    )
    if version.returncode != 0:
        pytest.skip(f"{executable} does not run")
    if int(version.stdout) < 8:
        assert python("print('fine')", executable=executable) == ("fine", "")
        return
    code = "import autofinetune as hub; hub.report_final_result(0.5)"
    assert python(code, executable=executable, **in_trial(tmp_path)) == ("", "")
    assert '"final": 0.5' in (tmp_path / "reports").read_text()


PADDLEHUB = """
import os
Module = "a module"
def report_final_result(result):
    home = os.path.join(os.environ["HOME"], ".paddlehub")
    os.makedirs(home, exist_ok=True)
    with open(os.path.join(home, "tmp.txt"), "a") as file:
        file.write(os.environ["PaddleHub_AutoDL_Trial_ID"] + "\\t" + str(float(result)) + "\\n")
"""


def test_paddlehub_reports_to_us(tmp_path: Path) -> None:
    (tmp_path / "paddlehub").mkdir()
    (tmp_path / "paddlehub" / "__init__.py").write_text(PADDLEHUB)
    env = in_trial(tmp_path, HOME=str(tmp_path))
    code = "import os, paddlehub as hub; hub.report_final_result(0.93); "
    code += "print(os.environ['PaddleHub_AutoDL_Trial_ID'], hub.Module)"
    assert python(code, tmp_path, **env) == ("7 a module", "")
    assert '"final": 0.93' in (tmp_path / "reports").read_text()
    assert not (tmp_path / ".paddlehub").exists()


def test_our_name_gives_what_paddlehub_has_besides(tmp_path: Path) -> None:
    (tmp_path / "paddlehub.py").write_text(PADDLEHUB)
    code = "import autofinetune as hub; from autofinetune import nni; print(hub.Module)"
    assert python(code, tmp_path) == ("a module", "")
    code = "import autofinetune as hub; hub.Modul"
    assert "has no attribute 'Modul'" in python(code, tmp_path)[1].splitlines()[-1]
    assert (
        "module 'autofinetune' has no attribute 'Module'"
        in python("import autofinetune as hub; hub.Module")[1]
    )


def test_a_hook_that_fails_costs_one_line_and_no_training(tmp_path: Path) -> None:
    (tmp_path / "xgboost").mkdir()
    (tmp_path / "xgboost" / "__init__.py").write_text("from . import training")
    (tmp_path / "xgboost" / "training.py").write_text("trains = True")  # another version
    code = "import xgboost.training; print(xgboost.training.trains)"
    out, err = python(code, tmp_path, **in_trial(tmp_path))
    assert out == "True"
    assert err.startswith("autofinetune: cannot hook into xgboost.training: AttributeError")
    assert len(err.splitlines()) == 1


def test_outside_of_a_trial_nothing_is_set(tmp_path: Path) -> None:
    (tmp_path / "wandb.py").write_text("agent = sweep = controller = print")
    code = "import os, wandb; wandb.agent([n for n in os.environ if n[:5] == 'WANDB'])"
    assert python(code, tmp_path) == ("[]", "")


def test_the_settings_of_wandb_are_those_of_its_agent_and_the_users_win(tmp_path: Path) -> None:
    (tmp_path / "wandb.py").write_text("agent = sweep = controller = print")
    code = "import os, wandb; print(os.environ['WANDB_MODE'], os.environ['WANDB_DIR'], "
    code += "open(os.environ['WANDB_SWEEP_PARAM_PATH']).read())"
    env = in_trial(tmp_path, HOME=str(tmp_path))
    params = '{"wandb_version": 1, "lr": {"value": 0.5}, "net": {"value": {"units": 3}}}'
    assert python(code, tmp_path, **env) == (f"offline {tmp_path} {params}", "")
    code = "import os, wandb; print(os.environ.get('WANDB_MODE'), os.environ['WANDB_DIR'])"
    out, _ = python(code, tmp_path, **env, WANDB_API_KEY="k" * 40, WANDB_DIR="/mine")
    assert out == "None /mine"
    (tmp_path / ".netrc").write_text("machine api.wandb.ai\n  login user\n  password k\n")
    assert python(code, tmp_path, **env)[0].startswith("None ")
