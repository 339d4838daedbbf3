"""A thousand damaged manifests of each kind: each is read, or rejected with file and line."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from autofinetune.config.build import build_config
from autofinetune.config.described import describe, from_description
from autofinetune.errors import ConfigError
from autofinetune.manifests import read_manifest, read_search
from autofinetune.manifests.file import File
from autofinetune.space import load_space
from tests.space.test_mutants import LINE_END, mutant

from .helpers import AUTOTUNE, HYDRA, KATIB, NNI_1, NNI_2, SWEEP

MORE = """\
early_terminate: {type: hyperband, max_iter: 27, s: 2}
command: ['${env}', python3, '${program}', '${args_json}', '--x=${envvar:HOME}']
"""
FILES = {
    "autotune": AUTOTUNE, "nni1": NNI_1, "nni2": NNI_2, "sweep": MORE + SWEEP, "katib": KATIB,
}  # fmt: skip
SEARCHES = {"sweep": MORE + SWEEP, "katib": KATIB, "hydra": HYDRA}
MOUNTS = """\
                volumeMounts: [{name: data, mountPath: /mnt, subPath: in}]
                env: [{name: A, value: /mnt/x}]
                resources: {limits: {nvidia.com/gpu: 1}}
                args: [/mnt/y, $(A)]
            volumes: [{name: data, persistentVolumeClaim: {claimName: claim}}]
  tuner:
"""
ADVISOR = """\
advisor: {name: BOHB, classArgs: {optimize_mode: maximize, max_budget: 9, min_budget: 1, eta: 3}}
"""
TUNER = NNI_2[NNI_2.index("tuner:") : NNI_2.index("trainingService")]
MORE_FILES = {
    **FILES,
    "volumes": AUTOTUNE.replace("  tuner:\n", MOUNTS),
    "advisor": NNI_2.replace(TUNER, ADVISOR),
    "population": NNI_2.replace("GridSearch", "PBT").replace(
        "{platform: local}", "[{platform: local, reuseMode: false, useActiveGpu: no}]"
    ),
}
WORDS = [
    b"kind", b"spec", b"tuner", b"classArgs", b"searchSpace", b"replicas", b"ps", b"trial",
    b"command", b"gpuNum", b"[1]", b"{a: 1}", b"2h", b"${args}", b"'${x}'", b"$(A)", b"bash -c x",
    b"env", b"method", b"grid", b"program", b"parameters", b"maximize", b"nan", b"1e999", b"-5",
    b"asha", b"TPE", b"Medianstop", b"|-", b"'{", b"}'", b'\\"', b"\xe5\xb1\x82", b"optuna:", b"",
]  # fmt: skip
PLACE = re.compile(r".*\.(?:yaml|json):([0-9]+):[0-9]+ .", re.DOTALL)


def changed(data: bytes, seed: int) -> bytes:
    """Damage a manifest like a search space, or replace one of its words by another."""
    chance = random.Random(seed)
    if seed % 2:
        return mutant(data, seed)
    parts = re.split(rb"([\s:,{}\[\]]+)", data)
    for _ in range(chance.choice([1, 1, 2, 4])):
        parts[chance.randrange(len(parts))] = chance.choice(WORDS)
    return b"".join(parts)


def check(folder: Path, data: bytes) -> str:
    """Return read, refused or none for a manifest; assert that every message has a place."""
    file = folder / "m.yaml"
    file.write_bytes(data)
    try:
        manifest = read_manifest(file, check_files=False)
    except ConfigError as error:
        most = len(LINE_END.findall(data.decode(errors="replace"))) + 2
        assert error.mistakes
        for mistake in error.mistakes:
            place = PLACE.match(mistake)
            assert place, mistake
            assert 1 <= int(place[1]) <= most, mistake
        return "refused"
    if manifest is None:
        return "none"
    for note in manifest.notes:
        assert PLACE.match(note), note
    space = load_space({"param_list": manifest.options["param_list"]})
    assert space.dim >= 1
    return "read"


@pytest.mark.parametrize("kind", FILES)
def test_the_original_is_read(kind: str, tmp_path: Path) -> None:
    (tmp_path / "space.json").write_text('{"lr": {"_type": "uniform", "_value": [0, 1]}}')
    assert check(tmp_path, FILES[kind].encode()) == "read"


@pytest.mark.parametrize("hundred", range(10))
@pytest.mark.parametrize("kind", FILES)
def test_a_mutant_is_read_or_names_its_mistakes(
    kind: str, hundred: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "space.json").write_text('{"lr": {"_type": "uniform", "_value": [0, 1]}}')
    seeds = range(100 * hundred, 100 * hundred + 100)
    outcomes = {check(tmp_path, changed(FILES[kind].encode(), seed)) for seed in seeds}
    assert outcomes >= {"read", "refused"}


@pytest.mark.parametrize("kind", SEARCHES)
def test_a_mutant_for_another_script_is_read_or_names_its_mistakes(
    kind: str, tmp_path: Path
) -> None:
    outcomes = set()
    for seed in range(600):
        data = changed(SEARCHES[kind].encode(), seed)
        (tmp_path / "m.yaml").write_bytes(data)
        try:
            found = read_search(tmp_path / "m.yaml")
        except ConfigError as error:
            assert all(PLACE.match(mistake) for mistake in error.mistakes), error.mistakes
            outcomes.add("refused")
        else:
            outcomes.add("read" if found else "none")
            assert all(PLACE.match(note) for note in found.notes) if found else True
    assert outcomes >= {"read", "refused"}


def replaced(text: str, value: bytes) -> list[bytes]:
    """Return the text once for each of its words and numbers, with `value` in its place."""
    parts = re.split(rb"([\s:,{}\[\]\"']+)", text.encode())
    places = [index for index in range(0, len(parts), 2) if parts[index]]
    return [b"".join([*parts[:i], value, *parts[i + 1 :]]) for i in places]


@pytest.mark.parametrize("value", [b"[1]", b"{a: 1}", b'{"a": 1}', b"[]", b"3", b"null", b"[[x]]"])
@pytest.mark.parametrize("kind", MORE_FILES)
def test_a_list_or_mapping_may_stand_anywhere(
    kind: str, value: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Especially where a word or number is expected."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "space.json").write_text('{"lr": {"_type": "uniform", "_value": [0, 1]}}')
    outcomes = {check(tmp_path, data) for data in replaced(MORE_FILES[kind], value)}
    assert "refused" in outcomes


KNOWN = {
    "evaluator": {"fulltrail"},
    "schedule": {"async"},
    "assessor": {"medianstop", "asha", "hyperband"},
    "executor": {"local"},
    "log_to": {"visualdl"},
}


@pytest.mark.parametrize("kind", FILES)
def test_what_is_read_is_a_run_or_a_mistake_in_it(kind: str, tmp_path: Path) -> None:
    """The options of a manifest pass the command line's checks, or are rejected by them."""
    (tmp_path / "space.json").write_text('{"lr": {"_type": "uniform", "_value": [0, 1]}}')
    built = 0
    for seed in range(0, 400, 2):
        (tmp_path / "m.yaml").write_bytes(changed(FILES[kind].encode(), seed))
        try:
            manifest = read_manifest(tmp_path / "m.yaml", check_files=False)
            if manifest is not None:
                config = build_config(
                    manifest.options, KNOWN, str, python="python", random_seed=0,
                    working_dir=str(manifest.options["working_dir"]),
                )  # fmt: skip
                assert from_description(describe(config)) == config
                built += 1
        except ConfigError:
            pass
    assert built > 20


def test_a_file_that_is_no_manifest_is_none(tmp_path: Path) -> None:
    for text in ("param_list: []\ncommand: [x]\n", "[1, 2]", "", "x: {_type: choice}"):
        (tmp_path / "m.yaml").write_text(text)
        assert read_manifest(tmp_path / "m.yaml") is None
    assert File(tmp_path / "m.yaml", check_files=True).folder == tmp_path
