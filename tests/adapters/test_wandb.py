"""What W&B reads when a run starts."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from autofinetune.adapters.wandb import _as_yaml, environment

TEXT = st.text(st.characters(max_codepoint=0xD7FF), max_size=20)  # a long key is no YAML key
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT | st.sampled_from(["5e-05", '"5e-05', "\\", '\\"1e-7', "x1e-7"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


@given(st.dictionaries(TEXT, JSON, max_size=3))
def test_pyyaml_reads_the_same_values(record: dict[str, object]) -> None:
    assert yaml.safe_load(_as_yaml(record)) == record


def test_small_numbers_stay_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "STOP_FILE": str(tmp_path / "stop"),
        "RUN": "a run",
        "PARAMS": '{"decay": 5e-05, "lr": 1.5e-07, "name": "2e-05"}',
    }.items():
        monkeypatch.setenv(f"AUTOFINETUNE_{name}", value)
    record = yaml.safe_load(Path(environment()["WANDB_SWEEP_PARAM_PATH"]).read_text())
    assert {n: record[n]["value"] for n in ("decay", "lr", "name")} == {
        "decay": 5e-05, "lr": 1.5e-07, "name": "2e-05"
    }  # fmt: skip
