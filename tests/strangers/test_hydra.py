"""Hydra: overrides, the directory of a job, and what its main function returns."""

from __future__ import annotations

import pytest

from .helpers import BOTH, Place, scores

CONFIG = """\
optimizer:
  name: sgd
  lr: 0.125
epochs: 2
"""
SCRIPT = """
from pathlib import Path
import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(cfg: DictConfig) -> float:
    print(OmegaConf.to_yaml(cfg))
    Path(HydraConfig.get().runtime.output_dir, "weights.txt").write_text(cfg.optimizer.name)
    return cfg.optimizer.lr + cfg.epochs

if __name__ == "__main__":
    main()
"""
SPACE = """\
param_list:
 - name : {name}
   type : choice
   choices : [0.25, 0.5]
"""


def stranger(what: str) -> pytest.MarkDecorator:
    return pytest.mark.stranger("Hydra", what, "hydra-core")


@pytest.fixture
def hydra(place: Place) -> Place:
    (place.root / "conf").mkdir()
    (place.root / "conf/config.yaml").write_text(CONFIG)
    place.write(train_py=SCRIPT, hparam_yaml=SPACE.format(name="optimizer.lr"))
    return place


@stranger("overrides, the return value, `hydra.run.dir`")
def test_a_script_is_overridden(hydra: Place) -> None:
    assert scores(hydra.tune("epochs=5")) == [5.25, 5.5]
    assert hydra.names() == {"conf", "train.py", "hparam.yaml", "result"}
    assert (hydra.model(1) / "weights.txt").read_text() == "sgd"
    assert (hydra.root / "result/best_model/.hydra/overrides.yaml").is_file()


@stranger("a wrong key is refused before any trial")
def test_a_wrong_key_is_refused(hydra: Place) -> None:
    hydra.write(hparam_yaml=SPACE.format(name="optimizer.rate"))
    done = hydra.run("train.py", "--param_file=hparam.yaml", "--output_dir=result", *BOTH)
    assert done.code == 2, hydra.explain(done)
    assert "optimizer.rate" in done.err
    assert not hydra.logs()
