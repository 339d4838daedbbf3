"""A thousand damaged files of each format: each loads or is rejected with a place."""

from __future__ import annotations

import random
import re

import pytest

from autofinetune.errors import ConfigError
from autofinetune.space import load_space, parse_yaml, read_space

GOOD = """\
# 参数
param_list:
  - name: learning_rate
    type: float
    init_value: 1e-3
    greater_than: 0.00005
    lower_than: 0.05
    log: true
  - name : batch_size
    init_value : 32
    type : int
    lower_than : 64
    greater_than : 16
    step: 16
  - {name: dropout, type: float, init_value: 0.1, greater_than: 0, lower_than: 0.5, step: 0.1}
  - name: optimizer
    type: choice
    choices: [sgd, "adam", 'lamb', 1, 1.0, true, null]
    init_value: adam
""".encode()
NNI = """\
{
  "learning_rate": {"_type": "loguniform", "_value": [1e-5, 0.1]},
  "batch_size": {"_type": "randint", "_value": [16, 129]},
  "dropout": {"_type": "quniform", "_value": [0.1, 0.9, 0.25]},
  "noise": {"_type": "qlognoraml", "_value": [0, 1, "1e-1"]},
  "optimizer": {"_type": "choice", "_value": [
    {"_name": "sgd", "momentum": {"_type": "qnormal", "_value": [0.5, 0.1, 0.05]}},
    {"_name": "adam", "betas": {"_type": "choice", "_value": [[0.9, 0.99], null, {"a": 1}]}}]},
  "层": {"_type": "layer_choice", "_value": ["conv", "pool"]},
  "skip": {"_type": "input_choice", "_value": {"candidates": ["", ""], "n_chosen": [0, 1]}}
}
""".encode()
SWEEP = b"""\
program: train.py
method: bayes
parameters:
  epochs: {value: 3}
  rate: {distribution: log_uniform_values, min: 1e-5, max: 0.1}
  size: {min: 16, max: 128}
  drop: {distribution: q_uniform, min: 2, max: 10, q: 5}
  shape: {distribution: q_beta, a: 2, b: 0.5, q: 0.1}
  old: {distribution: log_uniform, min: -9, max: -1}
  optimizer:
    parameters:
      name:
        values: [sgd, adam, [1, 2]]
        probabilities: [0.5, 0.25, 0.25]
      noise: {distribution: q_log_normal, sigma: 0.5}
"""
KATIB = b"""\
kind: Experiment
spec:
  parameters:
  - name: lr
    parameterType: double
    feasibleSpace: {min: "1e-5", max: "0.1", distribution: logUniform}
  - {name: size, parameterType: int, feasibleSpace: {min: "16", max: "128", step: "16"}}
  - name: drop
    parameterType: double
    feasibleSpace: {min: "0.1", max: "0.9", distribution: normal}
  - {name: optimizer, parameterType: categorical, feasibleSpace: {list: [sgd, adam, "1"]}}
  - {name: layers, parameterType: discrete, feasibleSpace: {list: ["1", "2", "2"]}}
"""
HYDRA = b"""\
hydra:
  sweeper:
    n_trials: 20
    params:
      lr: tag(log, interval(1e-5, 0.1))
      size: int(interval(16, 128))
      drop: range(0.0, 0.5, step=0.1)
      +optimizer/name: choice(sgd, 'adam', "a, b", null, 1)
      layers: 1, 2 ,3
      decay: &decay {type: float, low: 0.1, high: 1, log: true}
      other: *decay
      more: {<<: *decay, low: !!float 0.2}
      seed: 3
"""
FILES = {
    "hparam.yaml": GOOD, "space.json": NNI, "sweep.yaml": SWEEP, "katib.yaml": KATIB,
    "hydra.yaml": HYDRA,
}  # fmt: skip
TOKENS = [
    b"&a", b"*a", b"<<", b"!!int", b"!x", b"---", b"...", b"[", b"]", b"{", b"}", b"? ", b": ",
    b"- ", b"|", b">", b"'", b'"', b"%YAML 1.1\n", b".nan", b"-.inf", b"1e400", b"9" * 500,
    b"\0", b"\x85", b"\xc2\x85", b"\xe2\x80\xa8", b"\xff\xfe", b"\xef\xbb\xbf", b"\t", b"\r",
    b"\r\n", b'"\\0"', b'"\\ud800"', b"~", b"true", b"null", b"#", b"@", b"`", b"=", b"0x10",
    b"010", b"1:30", b"-0.0", b"''", b"\n", b"name", b"type", b"choice", b"float", b"int",
    b"_type", b"_value", b"_name", b"randint", b"input_choice", b"candidates", b"0", b"-1", b"1",
    b"min", b"max", b"values", b"value", b"distribution", b"parameters", b"q_uniform", b"q", b"{}",
    b"!!float", b"!!seq", b"choice(", b"interval(0, 1)", b"range(3)", b"log", b"double", b"(",
]  # fmt: skip
PLACE = re.compile(r"[a-z]+\.(?:yaml|json):([0-9]+):[0-9]+ ")
LINE_END = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


def mutant(data: bytes, seed: int) -> bytes:
    chance = random.Random(seed)
    for _ in range(chance.choice([1, 1, 1, 2, 3, 8])):
        data = chance.choice([flip, remove, put, swap_tokens, replace_token, lines])(data, chance)
    return data


def flip(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]


def remove(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + data[at + chance.randrange(1, 10) :] + b"\n"


def put(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + chance.choice(TOKENS) + data[at:]


def swap_tokens(data: bytes, chance: random.Random) -> bytes:
    words = re.split(rb"(\s+)", data)
    one, other = chance.randrange(len(words)), chance.randrange(len(words))
    words[one], words[other] = words[other], words[one]
    return b"".join(words)


def replace_token(data: bytes, chance: random.Random) -> bytes:
    words = re.split(rb"(\s+)", data)
    words[chance.randrange(len(words))] = chance.choice(TOKENS)
    return b"".join(words)


def lines(data: bytes, chance: random.Random) -> bytes:
    """Drop or duplicate a line."""
    whole = data.split(b"\n")
    line = whole.pop(chance.randrange(len(whole)))
    if chance.random() < 0.5:
        at = chance.randrange(len(whole) + 1)
        whole[at:at] = [line, line]
    return b"\n".join(whole) + b"\n"


def check(data: bytes, source: str) -> bool:
    """Return whether `data` loads as a usable space; assert that an error names file and line."""
    try:
        space = read_space(parse_yaml(data, source))
    except ConfigError as error:
        # The end of a file without a last line end counts as a line for libyaml.
        most = len(LINE_END.findall(data.decode(errors="replace"))) + 2
        assert error.mistakes
        assert error.exit_code == 2
        for mistake in error.mistakes:
            place = PLACE.match(mistake)
            assert place, mistake
            assert 1 <= int(place[1]) <= most, mistake
        return False
    for u in (0.0, 0.3, 1.0):
        params = space.decode([u] * space.dim)
        space.encode(params)
        space.nest(params)
    assert load_space(space.describe()) == space
    for note in space.notes:
        assert PLACE.match(note), note
    return True


@pytest.mark.parametrize("source", FILES)
def test_the_original_loads(source: str) -> None:
    assert check(FILES[source], source)


@pytest.mark.parametrize("hundred", range(10))
@pytest.mark.parametrize("source", FILES)
def test_a_mutant_loads_or_names_its_mistakes(source: str, hundred: int) -> None:
    seeds = range(100 * hundred, 100 * hundred + 100)
    outcomes = [check(mutant(FILES[source], seed), source) for seed in seeds]
    assert {True, False} == set(outcomes)
