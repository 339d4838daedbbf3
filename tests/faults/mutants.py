"""Broken files made from good ones, for tests and for benchmarks/torture."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import TypeAlias

Mutator: TypeAlias = "Callable[[random.Random, bytes], bytes]"

WORDS = [
    b"1e-5", b"1e999", b"-1e999", b"010", b"0x10", b"1:30", b"no", b"yes", b"null", b"~", b"true",
    b".nan", b".inf", b"-.inf", b"NaN", b"Infinity", b"-0.0", b"5e-324", b"1.7976931348623157e308",
    b"9" * 30, b"9" * 400, b"9" * 5000, b"9007199254740993", b"1_000", b"1,5", b"''", b'""', b"x",
    b"\xd9\xa3", b"2026-01-01", b"!!python/object/apply:os.system [id]", b"!!binary aGk=", b"&a",
    b"*a", b"<<", b"<<: *a", b"? ", b"- ", b"[", b"]", b"{", b"}", b": ", b"#", b"|\n", b">\n",
    b"---\n", b"...\n", b"%YAML 1.1\n", b"\t", b"'", b'"', b"\\", b"\0", b"\r", b"\x1b[2J",
    b"\x85", b"\xe2\x80\xa8", b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80", b'"\\ud800"',
    b"\xf0\x9f\x92\xa5", b"param_list", b"name", b"type", b"init_value", b"greater_than",
    b"lower_than", b"log", b"step", b"choices", b"float", b"int", b"choice", b"saved_params_dir",
    b"model_path", b"help",
]  # fmt: skip


def spot(rng: random.Random, data: bytes) -> int:
    return rng.randint(0, len(data))


def flip(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def set_bytes(rng: random.Random, data: bytes) -> bytes:
    at = spot(rng, data)
    junk = rng.randbytes(rng.choice((1, 2, 7, 60)))
    return data[:at] + junk + data[at + rng.choice((0, len(junk))) :]


def cut_out(rng: random.Random, data: bytes) -> bytes:
    one, two = sorted((spot(rng, data), spot(rng, data)))
    return data[:one] + data[min(two, one + rng.choice((1, 3, 20, 1 << 20))) :]


def tear(rng: random.Random, data: bytes) -> bytes:
    return data[: spot(rng, data)]


def repeat(rng: random.Random, data: bytes) -> bytes:
    one, two = sorted((spot(rng, data), spot(rng, data)))
    piece = data[one:two]
    times = rng.choice((1, 1, 2, 10, 300))
    return data[:two] + piece * min(times, 200_000 // (len(piece) + 1)) + data[two:]


def put_word(rng: random.Random, data: bytes) -> bytes:
    at = spot(rng, data)
    return data[:at] + rng.choice(WORDS) + data[at:]


def mix_lines(rng: random.Random, data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    if len(lines) > 1:
        one, two = rng.randrange(len(lines)), rng.randrange(len(lines))
        what = rng.randrange(4)
        if what == 0:
            lines[one], lines[two] = lines[two], lines[one]
        elif what == 1:
            lines.insert(one, lines[two])
        elif what == 2:
            del lines[one]
        else:
            lines[one] = b" " * rng.randrange(1, 9) + lines[one]
    return b"".join(lines)


def put_nest(rng: random.Random, data: bytes) -> bytes:
    at = spot(rng, data)
    one, two = rng.choice(((b"[", b"]"), (b"{a: ", b"}"), (b"- ", b""), (b'{"a":', b"}")))
    depth = rng.choice((2, 31, 33, 1000, 20_000))
    return data[:at] + one * depth + two * rng.choice((0, depth)) + data[at:]


def recode(rng: random.Random, data: bytes) -> bytes:
    code = rng.choice(("utf-16", "utf-32", "latin-1", "utf-8-sig", "utf-7"))
    return data.decode("utf-8", "replace").encode(code, "replace")


ANY: Sequence[Mutator] = (flip, set_bytes, cut_out, tear, repeat, put_word, mix_lines, put_nest)


# --- hparam.yaml --------------------------------------------------------------------------------


def swap_word(rng: random.Random, data: bytes) -> bytes:
    """One word in the place of another: the file stays YAML and says something wrong."""
    words = data.split(b" ")
    at = rng.randrange(len(words))
    ends = b"".join(bytes([c]) for c in words[at] if c in b",}]\n")
    words[at] = rng.choice([*WORDS, rng.choice(words)]) + ends
    return b" ".join(words)


def mutant_of_yaml(rng: random.Random, corpus: Sequence[bytes]) -> bytes:
    """A file of the corpus with one to four things wrong with it."""
    data = rng.choice(corpus)
    if rng.random() < 0.1:
        other = rng.choice(corpus)
        data = data[: spot(rng, data)] + other[spot(rng, other) :]
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        data = rng.choice((*ANY, swap_word, swap_word, swap_word, swap_word, recode))(rng, data)
    return data


# --- the file of reports ------------------------------------------------------------------------


def report_file(rng: random.Random) -> bytes:
    """What trials write: lines of the reporter, and of people who write them themselves."""
    lines = []
    for step in range(rng.randint(1, 5)):
        score: object = rng.choice((rng.random(), -rng.random(), rng.gauss(0, 1e6), 1, "nan"))
        kind = rng.choice(("final", "final", "intermediate"))
        record: dict[str, object] = {kind: score, "time": 1.7e9 + step}
        if kind == "intermediate":
            record["step"] = step
        line = json.dumps(record).encode() + b"\n"
        lines.append(line if rng.random() < 0.2 else b"\n" + line)
    return b"".join(lines)


def put_junk(rng: random.Random, data: bytes) -> bytes:
    """A line longer than any report, or longer than what is read at once."""
    if rng.random() < 0.99:
        return data
    size = rng.choice((65_536, 65_537, 70_000, 1 << 20, (1 << 20) + 3))
    at = rng.choice((spot(rng, data), data.find(b"{") if b"{" in data else 0))
    return data[:at] + b"x" * size + rng.choice((b"", b"\n")) + data[at:]


def mutant_of_reports(rng: random.Random) -> bytes:
    """A file of reports with one to four things wrong with it."""
    data = report_file(rng)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        data = rng.choice((*ANY, swap_word, put_junk))(rng, data)
    return data
