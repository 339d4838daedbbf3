"""The live view as lines of styled text, for any size of terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from rich.cells import cell_len, set_cell_size

from autofinetune.core.status import Status
from autofinetune.sinks.live import figures
from autofinetune.sinks.live.figures import Signs
from autofinetune.sinks.live.snapshot import Row, Snapshot
from autofinetune.sinks.live.usage import Use
from autofinetune.visible import visible

# Pieces of text, each with a style of rich. The colours can be read on dark and light terminals.
Line: TypeAlias = "tuple[tuple[str, str], ...]"
_HEAD, _DIM, _BEST, _CURVE = "bold", "dim", "bold green", "cyan"
_STYLES = {Status.COMPLETED: "green", Status.STOPPED: "magenta", Status.FAILED: "red"}
_LEAST_PARAMS = 12  # columns for hyperparameters
_WIDE = 100  # columns of a terminal with room for long curves
_GAP = 2


@dataclass(frozen=True)
class _Column:
    title: str
    text: Callable[[Row], str]
    style: str = ""
    is_number: bool = True


def view(
    snapshot: Snapshot, uses: Mapping[int, Use], now: float, width: int, height: int, signs: Signs
) -> list[Line]:
    """Return at most `height` lines of at most `width` columns.

    Where the running trials have no room, the oldest are shown and the others counted.
    """
    below = [*_waits(snapshot, width, signs, most=max(2, height // 3))]
    below += _progress(snapshot, now, width, signs)
    below += _best(snapshot, width, signs)
    table = _table(snapshot, uses, now, width, max(2, height - len(below)), signs)
    lines = [*table, *below]
    return lines[-height:] if height > 0 else []


def _table(
    snapshot: Snapshot,
    uses: Mapping[int, Use],
    now: float,
    width: int,
    height: int,
    signs: Signs,
) -> list[Line]:
    rows = sorted(snapshot.rows, key=lambda row: (row.is_waiting, row.since, row.trial))
    if not rows:
        return []
    most = height - 1
    more = len(rows) - most
    shown = rows if more <= 0 else rows[: max(1, most - 1)]
    lines = _columns(snapshot, shown, uses, now, width, signs)
    if len(shown) < len(rows):
        rest = f"and {len(rows) - len(shown)} more running trials"
        lines.append(((_fit(rest, width, signs), _DIM),))
    return lines


def _columns(
    snapshot: Snapshot,
    rows: Sequence[Row],
    uses: Mapping[int, Use],
    now: float,
    width: int,
    signs: Signs,
) -> list[Line]:
    columns = _wanted(rows, uses, now, width, signs)
    cells = {name: [column.text(row) for row in rows] for name, column in columns.items()}
    widths = {
        name: max(map(cell_len, (columns[name].title, *texts))) for name, texts in cells.items()
    }
    widths["slot"] = min(widths["slot"], max(4, width // 6))
    title = "changed" if snapshot.best or any(row.base for row in rows) else "hyperparameters"
    words = [_words(snapshot, row) for row in rows]
    longest = max(cell_len(title), *(cell_len(" ".join(one)) for one in words), _LEAST_PARAMS)

    def room() -> int:
        return width - sum(widths.values()) - _GAP * len(widths)

    for name in ("gpu memory", "gpu", "memory", "cpu", "curve", "step", "slot"):
        if room() < _LEAST_PARAMS and name in widths:
            del widths[name]
    space = max(0, min(room(), longest))
    order = [name for name in columns if name in widths]
    order.insert(order.index("trial") + 1 + ("slot" in widths), "params")
    widths["params"] = space
    cells["params"] = [_some(one, space, signs) for one in words]
    columns["params"] = _Column(title, str, is_number=False)
    lines = [_line(columns, order, widths, None, cells, width, signs)]
    return lines + [
        _line(columns, order, widths, number, cells, width, signs) for number in range(len(rows))
    ]


def _wanted(
    rows: Sequence[Row], uses: Mapping[int, Use], now: float, width: int, signs: Signs
) -> dict[str, _Column]:
    """Return the columns that any of the rows fills."""
    most = 16 if width >= _WIDE else 8

    def use(row: Row) -> Use:
        return uses.get(row.trial, Use())

    def curve(row: Row) -> str:
        return figures.sparkline(row.reports, most, signs.bars)

    def percent(value: float | None) -> str:
        return "" if value is None else f"{value:.0f}%"

    def stored(value: int | None) -> str:
        return "" if value is None else figures.size(value)

    columns = {
        "trial": _Column("trial", lambda row: str(row.trial), "bold"),
        "slot": _Column("slot", lambda row: visible(str(row.slot.on(row.node))), is_number=False),
        "step": _Column("step", lambda row: "" if row.step is None else str(row.step)),
        "last": _Column("last", lambda row: "" if row.score is None else f"{row.score:.4g}"),
        "curve": _Column("reports", curve, _CURVE, is_number=False),
        "time": _Column("time", lambda row: figures.duration(now - row.since)),
        "cpu": _Column("CPU", lambda row: percent(use(row).cpu_percent)),
        "memory": _Column("mem", lambda row: stored(use(row).memory_bytes)),
        "gpu": _Column("GPU", lambda row: percent(use(row).gpu_percent)),
        "gpu memory": _Column("GPU mem", lambda row: stored(use(row).gpu_memory_bytes)),
    }
    always = ("trial", "slot", "time")
    return {n: c for n, c in columns.items() if n in always or any(map(c.text, rows))}


def _words(snapshot: Snapshot, row: Row) -> list[str]:
    """Return what is special about a trial, and its changed hyperparameters."""
    words = ["in the queue"] if row.is_waiting else []
    words += ["stopping"] if row.stop_reason else []
    changed = figures.pairs(snapshot.changed(row))
    return [
        *words,
        *(changed or ["as the best" if row.base is None else f"as trial {row.parent}"]),
    ]


def _some(words: Sequence[str], width: int, signs: Signs) -> str:
    """Return as many words as fit, and the number of the others."""
    text = ""
    for number, word in enumerate(words):
        longer = f"{text} {word}" if text else word
        rest = len(words) - number - 1
        if cell_len(longer) + (len(f" +{rest}") if rest else 0) > width:
            return _fit(
                f"{text} +{rest + 1}" if text else _short(word, width, signs), width, signs
            )
        text = longer
    return text


def _short(word: str, width: int, signs: Signs) -> str:
    """Return `name=value` with the end of the name left out, if the value then fits."""
    name, _, value = word.rpartition("=")
    room = width - cell_len(value) - 1
    return f"{_fit(name, room, signs)}={value}" if room > 3 else word


def _line(
    columns: Mapping[str, _Column],
    order: Sequence[str],
    widths: Mapping[str, int],
    number: int | None,
    cells: Mapping[str, Sequence[str]],
    width: int,
    signs: Signs,
) -> Line:
    """Return a row of the table, or its head for no number."""
    pieces, left = [], width
    for place, name in enumerate(order):
        column = columns[name]
        text = column.title if number is None else cells[name][number]
        text = _fit(text, min(widths[name], left), signs)
        pad = " " * (widths[name] - cell_len(text))
        gap = " " * _GAP if place + 1 < len(order) else ""
        text = (pad + text if column.is_number else text + pad) + gap
        if cell_len(text) > left:
            text = set_cell_size(text, left)
        left -= cell_len(text)
        pieces.append((text, _HEAD if number is None else column.style))
    return tuple(pieces)


# --- below the table ----------------------------------------------------------------------------


def _waits(snapshot: Snapshot, width: int, signs: Signs, *, most: int) -> list[Line]:
    """Return what waits and why, on at most `most` lines."""
    lines = [
        _fit(line, width, signs)
        for text in snapshot.waits
        for line in textwrap.wrap(visible(text), max(1, width), subsequent_indent="  ")
    ]
    if len(lines) > most:
        lines = [
            *lines[: most - 1],
            _fit(f"{signs.cut} {len(snapshot.waits)} obstacles", width, signs),
        ]
    return [((line, "magenta"),) for line in lines]


def _progress(snapshot: Snapshot, now: float, width: int, signs: Signs) -> list[Line]:
    """Return the bar and the counts: on one line where there is room."""
    ended, counts = snapshot.ended, snapshot.counts
    total = "" if snapshot.total is None else f"/{snapshot.total}"
    words: list[tuple[str, str]] = [(f"{ended}{total} done", "bold")]
    for status, word in ((Status.COMPLETED, "finished"), (Status.FAILED, "failed"),
                         (Status.STOPPED, "stopped")):  # fmt: skip
        if counts.get(status.value):
            words.append((f"{counts[status.value]} {word}", _STYLES[status]))
    for status in (Status.RUNNING, Status.QUEUED):
        if counts.get(status.value):
            word = "running" if status is Status.RUNNING else "waiting"
            words.append((f"{counts[status.value]} {word}", ""))
    if snapshot.left_s:
        end = figures.clock(now + snapshot.left_s, now)
        words.append((f"about {figures.duration(snapshot.left_s)} left, until {end}", ""))
    lines = []
    if snapshot.total:
        lines.append(_bar(snapshot, min(width, 60), signs))
    return lines + _wrapped(words, width, signs)


def _bar(snapshot: Snapshot, width: int, signs: Signs) -> Line:
    total = max(snapshot.total or 1, 1)
    pieces, at, sum_ = [], 0, 0
    for status, style in _STYLES.items():
        sum_ += snapshot.counts.get(status.value, 0)
        end = min(width, sum_ * width // total)
        pieces.append((signs.done * (end - at), style))
        at = end
    pieces.append((signs.left * (width - at), _DIM))
    return tuple(piece for piece in pieces if piece[0])


def _wrapped(words: Sequence[tuple[str, str]], width: int, signs: Signs) -> list[Line]:
    """Return words in lines, with two spaces between them."""
    lines: list[list[tuple[str, str]]] = [[]]
    left = width
    for text, style in words:
        text = _fit(text, width, signs)
        if lines[-1] and cell_len(text) + _GAP > left:
            lines.append([])
            left = width
        if lines[-1]:
            lines[-1].append((" " * _GAP, ""))
            left -= _GAP
        lines[-1].append((text, style))
        left -= cell_len(text)
    return [tuple(line) for line in lines]


def _best(snapshot: Snapshot, width: int, signs: Signs) -> list[Line]:
    best = snapshot.best
    if best is None:
        return [((_fit("best: none yet", width, signs), _DIM),)]
    head = _fit(f"best {best.score:.6g} by trial {best.trial}", width, signs)
    curve = figures.best_so_far(snapshot.best_scores, snapshot.ended, 30)
    drawn = figures.sparkline(curve, width - cell_len(head) - _GAP, signs.bars)
    line: Line = ((head, _BEST),)
    if drawn and len(curve) > 1:
        line = (*line, (" " * _GAP, ""), (drawn, _CURVE))
    params = ", ".join(figures.pairs(best.params))
    return [line, ((_fit(params, width, signs), ""),)] if params else [line]


def _fit(text: str, width: int, signs: Signs) -> str:
    """Return text of at most `width` columns; a longer one is cut and ends in a dot."""
    if cell_len(text) <= width:
        return text
    if width < 1:
        return ""
    return set_cell_size(text, width - 1).rstrip() + signs.cut
