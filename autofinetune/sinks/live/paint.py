"""The live view with the codes of its colours."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from rich.cells import cell_len
from rich.color import ColorSystem
from rich.style import Style

from autofinetune.sinks.live.figures import Signs
from autofinetune.sinks.live.layout import Line, view
from autofinetune.sinks.live.snapshot import Snapshot
from autofinetune.sinks.live.usage import Use


def painted_view(
    snapshot: Snapshot,
    uses: Mapping[int, Use],
    now: float,
    width: int,
    height: int,
    signs: Signs,
) -> list[tuple[str, int]]:
    """Return the lines of `layout.view` for a terminal, each with its width in columns."""
    return [_painted(line) for line in view(snapshot, uses, now, width, height, signs)]


@functools.lru_cache(512)
def _painted(line: Line) -> tuple[str, int]:
    text = "".join(
        Style.parse(style).render(piece, color_system=ColorSystem.STANDARD) if style else piece
        for piece, style in line
    )
    return text, sum(cell_len(piece) for piece, _ in line)
