"""The plots of the page as files, PNG and SVG, by matplotlib."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from autofinetune.errors import EnvironmentProblem
from autofinetune.library import Library

from . import painted

MATPLOTLIB = Library("matplotlib", "3.5", "matplotlib")
Content = Mapping[str, Any]


def draw(contents: Sequence[Content], folder: Path) -> list[str]:
    """Write all figures of the runs to a folder and return their names without suffix.

    With several runs, names begin with the number of the run. Raise EnvironmentProblem if a file
    cannot be written or matplotlib is missing.
    """
    MATPLOTLIB.check("--figures")
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names: list[str] = []

    def save(name: str, paint: Callable[[Any], None], size: tuple[float, float]) -> None:
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        paint(axes)
        for suffix in ("png", "svg"):
            figure.savefig(folder / f"{name}.{suffix}", dpi=150)
        names.append(name)

    settings: Any = {"svg.hashsalt": "autofinetune", "axes.grid": True, "grid.alpha": 0.3}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with mpl.rc_context(settings):
            if len(contents) > 1:
                save("compared", lambda axes: painted.compared(axes, contents), (8.0, 4.5))
            for number, content in enumerate(contents, 1):
                prefix = f"{number}_" if len(contents) > 1 else ""
                for name, paint, size in _figures(content):
                    save(prefix + name, paint, size)
    except OSError as error:
        raise EnvironmentProblem(
            f"--figures={folder}: {error.strerror or error}", "choose another directory"
        ) from None
    return names


def _figures(
    content: Content,
) -> list[tuple[str, Callable[[Any], None], tuple[float, float]]]:
    """Return name, function and size in inches of each figure that has something to show."""
    found: list[tuple[str, Callable[[Any], None], tuple[float, float]]] = []
    params, surrogate = content["params"], content["surrogate"]
    wide = (8.0, 4.5)
    if content["progress"]["best"]:
        found.append(("best_so_far", partial(painted.progress, content=content), wide))
    if content["curves"]["trials"]:
        found.append(("learning_curves", partial(painted.curves, content=content), wide))
    if "importance" in surrogate:
        size = (8.0, 1.6 + 0.3 * len(params))
        found.append(("importance", partial(painted.importance, content=content), size))
        if any(one is not None for one in surrogate["correlation"]):
            found.append(("correlation", partial(painted.correlation, content=content), size))
    if params and any(score is not None for score in content["trials"]["score"]):
        for place, axis in enumerate(params):
            name = f"slice_{place + 1}_{_file_name(axis['name'])}"
            found.append(
                (name, partial(painted.slice_of, content=content, place=place), (5.0, 3.6))
            )
        size = (max(8.0, 1.1 * (len(params) + 1)), 4.5)
        found.append(("parallel_coordinates", partial(painted.parallel, content=content), size))
    for one in surrogate.get("contours", ()):
        x, y = (_file_name(params[one[key]]["name"]) for key in "xy")
        name = f"contour_{one['x'] + 1}_{one['y'] + 1}_{x}_{y}"
        found.append((name, partial(painted.contour, content=content, one=one), (5.5, 4.2)))
    if content["timeline"]["bars"]:
        size = (9.0, 1.8 + 0.28 * len(content["timeline"]["slots"]))
        found.append(("timeline", partial(painted.timeline, content=content), size))
    if content["lineage"]:
        found.append(("lineage", partial(painted.lineage, content=content), wide))
    return found


def _file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", text)[:40].strip(".") or "_"
