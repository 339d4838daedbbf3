"""The plots of one run, each painted on axes of matplotlib."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

Content = Mapping[str, Any]
_COLOURS = {
    "COMPLETED": "#2a78d6", "STOPPED": "#b7791f", "FAILED": "#d1242f", "LOST": "#a33ea1",
    "RUNNING": "#1a7f37", "QUEUED": "#8b949e",
}  # fmt: skip
_SERIES = "tab10"
_QUALITY = "viridis_r"


def _short(text: str, most: int = 26) -> str:
    """Return text that is not too long, without a formula: `$` begins one in matplotlib."""
    return (text if len(text) <= most else f"{text[: most - 1]}…").replace("$", r"\$")


def _scored(content: Content) -> list[int]:
    """Return the rows of trials with a score, worst first."""
    scores, is_max = content["trials"]["score"], content["direction"] == "maximize"
    rows = [row for row, score in enumerate(scores) if score is not None]
    return sorted(rows, key=lambda row: scores[row] if is_max else -scores[row])


def _quality(content: Content) -> dict[int, float]:
    """Return the rank of each row with a score, from 0 for the worst to 1 for the best."""
    rows = _scored(content)
    return {row: rank / max(len(rows) - 1, 1) for rank, row in enumerate(rows)}


def _limit(axes: Any, content: Content) -> None:
    """Leave bad outliers out of the score axis, as the page does."""
    rows = _scored(content)
    scores = [content["trials"]["score"][row] for row in rows]
    if len(scores) < 4 or scores[-1] == scores[len(scores) // 2]:
        return
    best, median = scores[-1], scores[len(scores) // 2]
    worst = median - 3 * (best - median)
    if abs(scores[0] - median) > abs(worst - median):
        pad = 0.06 * (best - worst)
        axes.set_ylim(*sorted((worst - pad, best + pad)))


def _colour(name: str, share: float) -> Any:
    import matplotlib as mpl

    return mpl.colormaps[name](share)


def _set_axis(axes: Any, which: str, axis: Content) -> None:
    getattr(axes, f"set_{which}label")(_short(axis["name"]))
    if axis["scale"] == "log":
        getattr(axes, f"set_{which}scale")("log")
    elif axis["scale"] == "choice":
        labels = [_short(label, 14) for label in axis["labels"]]
        getattr(axes, f"set_{which}ticks")(range(len(labels)), labels)


def progress(axes: Any, content: Content) -> None:
    """Best so far against finished trials."""
    trials = content["trials"]
    rows = [row for row in _scored(content) if trials["order"][row] is not None]
    x = [trials["order"][row] for row in rows]
    y = [trials["score"][row] for row in rows]
    colours = [_COLOURS[trials["state"][row]] for row in rows]
    axes.scatter(x, y, s=9, alpha=0.5, c=colours, rasterized=len(rows) > 2000)
    progress = content["progress"]
    axes.step(progress["trials"], progress["best"], where="post", label="best so far")
    axes.set(xlabel="finished trials", ylabel="score", title=_short(content["name"], 60))
    _limit(axes, content)
    axes.legend()


def compared(axes: Any, contents: Sequence[Content]) -> None:
    """Best so far of several runs."""
    for content in contents:
        progress = content["progress"]
        axes.step(
            progress["trials"], progress["best"], where="post", label=_short(content["name"], 40)
        )
    axes.set(xlabel="finished trials", ylabel="best score so far")
    axes.legend()


def curves(axes: Any, content: Content) -> None:
    """Learning curves of all trials."""
    from matplotlib.collections import LineCollection

    curves, quality = content["curves"], _quality(content)
    rows = {number: row for row, number in enumerate(content["trials"]["id"])}
    ends = [*curves["starts"][1:], len(curves["steps"])]
    lines, colours = [], []
    for trial, start, end in zip(curves["trials"], curves["starts"], ends, strict=True):
        points = zip(curves["steps"][start:end], curves["scores"][start:end], strict=True)
        lines.append([*points])
        share = quality.get(rows[trial])
        colours.append("#8b949e" if share is None else _colour(_QUALITY, share))
    many = len(lines) > 60
    axes.add_collection(
        LineCollection(
            lines, colors=colours, linewidths=0.6 if many else 1.2, rasterized=len(lines) > 2000
        )
    )
    axes.autoscale()
    axes.set(xlabel="step or epoch, from 1", ylabel="reported score")


def importance(axes: Any, content: Content) -> None:
    """Shares of the variance by hyperparameter."""
    found, params = content["surrogate"]["importance"], content["params"]
    order = sorted(range(len(params)), key=lambda place: found["total"][place])
    main, total, low, high = (
        [found[key][place] for place in order] for key in ("main", "total", "low", "high")
    )
    rest = [max(t - m, 0.0) for t, m in zip(total, main, strict=True)]
    errors = [
        [max(m - one, 0.0) for m, one in zip(main, low, strict=True)],
        [max(one - m, 0.0) for m, one in zip(main, high, strict=True)],
    ]
    at = range(len(order))
    axes.barh(at, main, xerr=errors, color="#2a78d6", label="alone", capsize=2)
    axes.barh(at, rest, left=main, color="#2a78d6", alpha=0.35, label="in interactions")
    axes.set_yticks(at, [_short(params[place]["name"]) for place in order])
    axes.set(xlabel="share of the variance")
    axes.legend(loc="lower right")


def correlation(axes: Any, content: Content) -> None:
    """Rank correlation with the score by hyperparameter."""
    found, params = content["surrogate"]["correlation"], content["params"]
    total = content["surrogate"]["importance"]["total"]
    order = sorted(range(len(params)), key=lambda place: total[place])
    shown = [place for place in order if found[place] is not None]
    values = [found[place] for place in shown]
    colours = ["#2a78d6" if value > 0 else "#b7791f" for value in values]
    axes.barh(range(len(shown)), values, color=colours)
    axes.axvline(0.0, color="#8b949e", linewidth=0.8)
    axes.set_yticks(range(len(shown)), [_short(params[place]["name"]) for place in shown])
    axes.set(xlabel="rank correlation with the score", xlim=(-1, 1))


def slice_of(axes: Any, content: Content, place: int) -> None:
    """Scores against one hyperparameter, with the surrogate."""
    trials, axis = content["trials"], content["params"][place]
    values = trials["values"][place]
    rows = [row for row in _scored(content) if values[row] is not None]
    y = [trials["score"][row] for row in rows]
    axes.scatter([values[row] for row in rows], y, s=9, alpha=0.5, c="#8b949e", rasterized=True)
    slices = content["surrogate"].get("slices")
    if slices:
        one = slices[place]
        if axis["scale"] == "choice":
            errors = [
                [m - low for m, low in zip(one["mean"], one["low"], strict=True)],
                [high - m for m, high in zip(one["mean"], one["high"], strict=True)],
            ]
            axes.errorbar(one["at"], one["mean"], yerr=errors, fmt="_", ms=14, capsize=4)
            axes.plot(one["average_at"], one["average"], "D", mfc="none", color="#b7791f")
        else:
            axes.fill_between(one["at"], one["low"], one["high"], alpha=0.2)
            axes.plot(one["at"], one["mean"], label="through the best trial")
            axes.plot(one["average_at"], one["average"], ":", color="#b7791f", label="average")
            axes.legend(fontsize="small")
    _set_axis(axes, "x", axis)
    axes.set_ylabel("score")
    _limit(axes, content)


def contour(axes: Any, content: Content, one: Content) -> None:
    """The surrogate over two hyperparameters."""
    x, y = content["params"][one["x"]], content["params"][one["y"]]
    z = [[math.nan if value is None else value for value in row] for row in one["z"]]
    colours = "viridis_r" if content["direction"] == "maximize" else "viridis"
    if "choice" in (x["scale"], y["scale"]):
        filled = axes.pcolormesh(one["x_at"], one["y_at"], z, shading="nearest", cmap=colours)
    else:
        filled = axes.contourf(one["x_at"], one["y_at"], z, levels=14, cmap=colours)
    axes.figure.colorbar(filled, ax=axes)
    values = content["trials"]["values"]
    pairs = [
        (values[one["x"]][row], values[one["y"]][row])
        for row in _scored(content)
        if values[one["x"]][row] is not None and values[one["y"]][row] is not None
    ]
    axes.scatter(
        [pair[0] for pair in pairs], [pair[1] for pair in pairs],
        s=8, c="white", edgecolors="black", linewidths=0.5, rasterized=len(pairs) > 2000,
    )  # fmt: skip
    _set_axis(axes, "x", x)
    _set_axis(axes, "y", y)


def parallel(axes: Any, content: Content) -> None:
    """Parallel coordinates of all trials with a score."""
    from matplotlib.collections import LineCollection

    rows, quality, trials = _scored(content), _quality(content), content["trials"]
    score = {"name": "score", "scale": "linear"}
    columns = [*zip(content["params"], trials["values"], strict=True), (score, trials["score"])]
    heights = [_heights(axis, [values[row] for row in rows]) for axis, values in columns]
    lines = [[*enumerate(line)] for line in zip(*heights, strict=True)]
    colours = [_colour(_QUALITY, quality[row]) for row in rows]
    axes.add_collection(
        LineCollection(lines, colors=colours, linewidths=0.7, alpha=0.7, rasterized=True)
    )
    axes.set(xlim=(-0.1, len(columns) - 0.9), ylim=(-0.12, 1.05))
    names = [_short(axis["name"], 14) for axis, _ in columns]
    axes.set_xticks(range(len(columns)), names, rotation=30 if len(columns) > 8 else 0)
    axes.set_yticks([])


def _heights(axis: Content, values: Sequence[float | None]) -> list[float]:
    """Return values between 0 and 1, or below where the hyperparameter is not active."""
    if axis["scale"] == "choice":
        count = len(axis["labels"])
        return [-0.1 if value is None else (value + 0.5) / count for value in values]
    change = math.log if axis["scale"] == "log" else float
    scaled = [None if value is None else change(value) for value in values]
    low = min((value for value in scaled if value is not None), default=0.0)
    high = max((value for value in scaled if value is not None), default=1.0)
    span = (high - low) or 1.0
    return [-0.1 if value is None else (value - low) / span for value in scaled]


def timeline(axes: Any, content: Content) -> None:
    """Attempts by slot and time."""
    timeline = content["timeline"]
    for outcome, colour in _COLOURS.items():
        bars = [bar for bar in timeline["bars"] if bar["outcome"] == outcome]
        if bars:
            axes.barh(
                [bar["slot"] for bar in bars],
                [bar["end"] - bar["start"] for bar in bars],
                left=[bar["start"] for bar in bars],
                color=colour, edgecolor="white", linewidth=0.4, label=outcome.lower(),
            )  # fmt: skip
    for since, until in timeline["idle"]:
        axes.axvspan(since, until, color="#8b949e", alpha=0.25)
    labels = [
        f"{_short(slot, 16)}  {busy:.0%}"
        for slot, busy in zip(timeline["slots"], timeline["busy"], strict=True)
    ]
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    axes.set(xlabel="seconds since the run began", xlim=(0, timeline["span"]))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.25), ncols=6, fontsize="small")


def lineage(axes: Any, content: Content) -> None:
    """Which trial continued which model."""
    trials, lineage = content["trials"], content["lineage"]
    rows = {number: row for row, number in enumerate(trials["id"])}
    largest = [*lineage["roots"]][:10]
    for row in _scored(content):
        root = lineage["of"][row]
        colour = _colour(_SERIES, largest.index(root)) if root in largest else "#8b949e"
        parent = rows.get(trials["parent"][row])
        both = [row] if parent is None else [parent, row]
        x, y = ([trials[key][at] for at in both] for key in ("round", "score"))
        axes.plot(x, y, color=colour, linewidth=1.0, marker="o", markersize=2.5)
    chain = [one for one in lineage["chain"] if one["score"] is not None]
    axes.plot(
        [one["round"] for one in chain], [one["score"] for one in chain],
        color="black", linewidth=3, label="to the best model",
    )  # fmt: skip
    axes.set(xlabel="round", ylabel="score")
    _limit(axes, content)
    axes.legend()
