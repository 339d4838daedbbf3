"""A thousand damaged hparam.yaml: each loads or is refused with a place, nothing else."""

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
TOKENS = [
    b"&a", b"*a", b"<<", b"!!int", b"!x", b"---", b"...", b"[", b"]", b"{", b"}", b"? ", b": ",
    b"- ", b"|", b">", b"'", b'"', b"%YAML 1.1\n", b".nan", b"-.inf", b"1e400", b"9" * 500,
    b"\0", b"\x85", b"\xc2\x85", b"\xe2\x80\xa8", b"\xff\xfe", b"\xef\xbb\xbf", b"\t", b"\r",
    b"\r\n", b'"\\0"', b'"\\ud800"', b"~", b"true", b"null", b"#", b"@", b"`", b"=", b"0x10",
    b"010", b"1:30", b"-0.0", b"''", b"\n", b"name", b"type", b"choice", b"float", b"int",
]  # fmt: skip
PLACE = re.compile(r"hparam\.yaml:([0-9]+):[0-9]+ ")
LINE_END = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


def mutant(seed: int) -> bytes:
    chance = random.Random(seed)
    data = GOOD
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
    """Drop a line, or say it twice."""
    whole = data.split(b"\n")
    line = whole.pop(chance.randrange(len(whole)))
    if chance.random() < 0.5:
        at = chance.randrange(len(whole) + 1)
        whole[at:at] = [line, line]
    return b"\n".join(whole) + b"\n"


def check(data: bytes) -> bool:
    """Whether `data` loads as a usable space; asserts that a refusal names file and line."""
    try:
        space = read_space(parse_yaml(data, "hparam.yaml"))
    except ConfigError as error:
        # The end of a file without a last line end counts as a line for libyaml.
        most = len(LINE_END.findall(data.decode(errors="replace"))) + 2
        assert error.mistakes
        for mistake in error.mistakes:
            place = PLACE.match(mistake)
            assert place, mistake
            assert 1 <= int(place[1]) <= most, mistake
        return False
    for u in (0.0, 0.3, 1.0):
        space.encode(space.decode([u] * space.dim))
    assert load_space(space.describe()) == space
    return True


def test_the_original_loads() -> None:
    assert check(GOOD)


@pytest.mark.parametrize("hundred", range(10))
def test_a_mutant_loads_or_names_its_mistakes(hundred: int) -> None:
    outcomes = [check(mutant(100 * hundred + index)) for index in range(100)]
    assert {True, False} == set(outcomes)
