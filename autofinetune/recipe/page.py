"""The page about a refined recipe: one HTML file without scripts and without a network.

Its Content-Security-Policy allows only its own style, by its hash. Histograms are inline SVG.
"""

from __future__ import annotations

import base64
import hashlib
import html
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from autofinetune.version import __version__
from autofinetune.visible import visible

from .record import shown
from .spread import Floats
from .statistics import Statistics

BEGINNING = "<!doctype html>\n<!-- autofinetune recipe -->\n"
_STYLE = """
:root { color-scheme: light dark; --muted: #777; --bar: #9db8dd; --old: #777; --new: #d1242f; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1000px; margin: 0 auto; padding: 1rem; }
table { border-collapse: collapse; font-size: .9rem; margin: .5rem 0 1.5rem; }
th, td { text-align: left; padding: .2rem .7rem; border-bottom: 1px solid #8885; vertical-align: top; }
td { overflow-wrap: anywhere; }
.changed { font-weight: 600; } .muted, figcaption, text { color: var(--muted); fill: var(--muted); }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(300px, 1fr)); gap: 1rem; }
figure { margin: 0; } svg { width: 100%; } rect { fill: var(--bar); } text { font-size: 11px; }
line { stroke-width: 2; } .old { stroke: var(--old); stroke-dasharray: 4 3; } .new { stroke: var(--new); }
"""  # noqa: E501
_WIDTH, _HEIGHT, _BINS = 300.0, 110.0, 40
_SHOWN = (0.002, 0.998)  # the quantiles between which a histogram is drawn; new bounds widen it


def page_of(record: Mapping[str, Any], statistics: Statistics) -> str:
    """Return the page about what `record_of` returned."""
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    title = f"Refined recipe {_safe(record['recipe'])}"
    return "".join(
        [
            BEGINNING,
            '<html lang="en"><head><meta charset="utf-8">\n',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            f"<title>{title}</title><style>{_STYLE}</style></head>\n<body><h1>{title}</h1>\n",
            f"<p>Rule {_safe(record['rule'])} with k = {record['k']:g}{_of(record)}.</p>\n",
            *_thresholds(record),
            *_dropped(record),
            *_plots(record, statistics),
            f'<p class="muted">autofinetune {__version__}</p></body></html>\n',
        ]
    )


def _of(record: Mapping[str, Any]) -> str:
    samples = record["samples"]
    return f", by the statistics of {samples} samples" if samples is not None else ""


def _safe(text: object) -> str:
    return html.escape(visible(str(text)))


def _table(head: list[str], rows: list[list[str]]) -> Iterator[str]:
    yield f"<table><tr>{''.join(f'<th>{one}</th>' for one in head)}</tr>\n"
    for row in rows:
        yield f"<tr>{''.join(f'<td>{one}</td>' for one in row)}</tr>\n"
    yield "</table>\n"


def _thresholds(record: Mapping[str, Any]) -> Iterator[str]:
    head = ["line", "operator", "argument", "statistic", "before", "after", "unchanged, because"]
    rows = [
        [
            str(one["line"]),
            _safe(one["operator"]),
            _safe(one["argument"]),
            _safe(one["statistic"] or ""),
            _safe(shown(one["before"], is_written=one["is_written"])),
            f'<span class="changed">{_safe(shown(one["after"]))}</span>' * one["is_changed"],
            _safe(one["reason"] or ""),
        ]
        for one in record["thresholds"]
    ]
    rows += [
        [str(one["line"]), _safe(one["operator"]), "", "", "", "", _safe(one["reason"])]
        for one in record["others"]
    ]
    yield "<h2>Thresholds</h2>"
    yield from _table(head, rows)


def _dropped(record: Mapping[str, Any]) -> Iterator[str]:
    if record["together"]:
        shares = [*record["filters"], {"operator": "all together", **record["together"]}]
        yield "<h2>Dropped samples</h2>"
        yield from _table(
            ["filter", "before", "after"],
            [
                [_safe(s["operator"]), f"{s['dropped_before']:.2%}", f"{s['dropped_after']:.2%}"]
                for s in shares
            ],
        )


def _plots(record: Mapping[str, Any], statistics: Statistics) -> Iterator[str]:
    """Yield a histogram of each statistic of each operator, with its bounds."""
    groups: dict[tuple[int, str], list[Mapping[str, Any]]] = {}
    for one in record["thresholds"]:
        if one["statistic"] in statistics.columns:
            groups.setdefault((one["index"], one["statistic"]), []).append(one)
    yield '<h2>Histograms</h2><p class="muted">Dashed: bounds before. Red: bounds after.</p>'
    yield '<div class="plots">'
    for (_, stat), bounds in groups.items():
        values = statistics.columns[stat].items().values
        if len(values):
            yield f"<figure><figcaption>{_safe(bounds[0]['operator'])}: {_safe(stat)}</figcaption>"
            yield from _histogram(values, bounds)
            yield "</figure>\n"
    yield "</div>"


def _histogram(values: Floats, bounds: list[Mapping[str, Any]]) -> Iterator[str]:
    lines = [
        (float(one[key]), name)
        for one in bounds
        for key, name in (("before", "old"), ("after", "new"))
        if name == "old" or one["is_changed"]
        if isinstance(one[key], (int, float)) and abs(one[key]) < math.inf
    ]
    new = [bound for bound, name in lines if name == "new"]
    low = min([float(np.quantile(values, _SHOWN[0])), *new])
    high = max([float(np.quantile(values, _SHOWN[1])), *new])
    if high <= low:
        low, high = low - 0.5, high + 0.5
    counts, _ = np.histogram(np.clip(values, low, high), bins=_BINS, range=(low, high))
    yield f'<svg viewBox="0 0 {_WIDTH:g} {_HEIGHT + 16:g}" role="img">'
    step = _WIDTH / _BINS
    for place, count in enumerate(counts):
        height = _HEIGHT * int(count) / max(int(counts.max()), 1)
        yield (
            f'<rect x="{place * step:.2f}" y="{_HEIGHT - height:.2f}" width="{step - 0.5:.2f}" '
            f'height="{height:.2f}"/>'
        )
    for bound, name in lines:
        if low <= bound <= high:
            x = (bound - low) / (high - low) * _WIDTH
            yield f'<line class="{name}" x1="{x:.2f}" x2="{x:.2f}" y1="0" y2="{_HEIGHT:g}"/>'
    yield f'<text x="0" y="{_HEIGHT + 13:g}">{low:.4g}</text>'
    yield f'<text x="{_WIDTH:g}" y="{_HEIGHT + 13:g}" text-anchor="end">{high:.4g}</text></svg>'
