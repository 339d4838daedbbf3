"""Scripts without a parser: Hydra, dictionaries, constants."""

from __future__ import annotations

from pathlib import Path

from autofinetune.config.passing import CALLS, HYDRA
from autofinetune.draft.configurations import in_job
from tests.draft.helpers import options_of, reading_of

HYDRA_SCRIPT = """
import hydra
@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(cfg): ...
main()
"""


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / "conf" / f"{name.replace('__', '/')}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_the_configuration_of_hydra(tmp_path: Path) -> None:
    write(
        tmp_path,
        config="defaults: [base, {model: mlp}, {optional local: x}, {hydra: y}, _self_]\n"
        "lr: 0.1\nsame: ${lr}\nneeded: ???\ndims: [1, 2]\nhydra: {run: 1}\n",
        base="lr: 0.5\nseed: 1\n",
        model__mlp="hidden: 64\n_target_: x.Y\ninner: {dropout: 0.1}\n",
        hydra__y="run: {dir: x}\n",
    )
    reading = reading_of(tmp_path, HYDRA_SCRIPT)
    found = {one.name: one for one in reading.options}
    assert reading.passing == HYDRA
    assert found.keys() == {"lr", "seed", "model.hidden", "model.inner.dropout", "same", "needed"}
    assert found["lr"].default == 0.1
    assert found["model.hidden"].kind == "int"
    assert found["needed"].is_required
    assert found["same"].obstacle


def test_a_configuration_outside_of_its_folder_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, config="defaults: [../secret, config]\nlr: 0.1\n")
    (tmp_path / "secret.yaml").write_text("token: 5\n")
    assert list(options_of(tmp_path, HYDRA_SCRIPT)) == ["lr"]


def test_a_configuration_that_is_missing_has_no_options(tmp_path: Path) -> None:
    assert options_of(tmp_path, HYDRA_SCRIPT) == {}
    write(tmp_path, config="a: [")
    assert options_of(tmp_path, HYDRA_SCRIPT) == {}


def test_the_configuration_that_hydra_composed() -> None:
    assert [one.name for one in in_job("lr: 0.1\nmodel:\n  units: 3\n")] == ["lr", "model.units"]
    assert in_job("error: [") == []


def test_dictionaries_of_wandb_and_nni(tmp_path: Path) -> None:
    text = "import wandb\nDEFAULTS = dict(lr=0.1, units=64)\nwandb.init(config=DEFAULTS)\n"
    reading = reading_of(tmp_path, f"{text}print(wandb.config.lr)\n")
    assert reading.passing == CALLS
    assert [(one.name, one.default) for one in reading.options] == [("lr", 0.1), ("units", 64)]
    text = "import nni\nparams = {'lr': 0.1}\nparams.update(nni.get_next_parameter())\n"
    assert options_of(tmp_path, text)["lr"].default == 0.1


def test_constants_that_a_file_replaces(tmp_path: Path) -> None:
    (tmp_path / "configurator.py").write_text("import sys\nfor arg in sys.argv[1:]: ...\n")
    text = (
        "import os\nlr = 6e-4 # the rate\nsteps = 5 * 8\n_hidden = 3\nname = os.name\n"
        "exec(open('configurator.py').read())\nafter = 1\n"
    )
    (tmp_path / "train.py").write_text(text)
    reading = reading_of(tmp_path, text)
    assert [(one.name, one.default, one.text) for one in reading.options] == [
        ("lr", 6e-4, "the rate"), ("steps", 40, ""),
    ]  # fmt: skip
    assert not reading.is_checkable
    assert options_of(tmp_path, text.replace("exec", "print")) == {}
