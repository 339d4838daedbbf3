"""The page: one HTML file that needs no network and no server.

Its Content-Security-Policy allows only the two scripts in it, by their hashes. Data of the run is
JSON in an element that is no script, and the scripts put it into the page as text.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any

from autofinetune.library import Library
from autofinetune.version import __version__

PLOTLY = Library("plotly", "5.22", "autofinetune[report]")
BEGINNING = "<!doctype html>\n<!-- autofinetune report -->\n"
# Newer versions of Plotly are one function that is passed to another, for the sake of loaders.
# Browsers parse such a function once more before they run it, which takes as long as to run it.
_WRAPPED = re.compile(
    r"(/\*\*.*?\*/\n)\(\n function\(root, factory\) \{.*?\} \([^\n]*\(\) => \{\n"
    r"(.*\nwindow\.Plotly = Plotly;\n)return Plotly;\n\}\)\);\n?",
    re.DOTALL,
)
# Plotly makes all its kinds of plots ready at its start, which takes most of that time.
_REGISTERED = re.compile(r"([\w$]+)\.register\(\[((?:[\w$]+\(\),)+[\w$]+\(\))\]\)")
_KINDS = ("bar", "contour", "heatmap")  # besides scatter, which is always there
_SCRIPTS = ("base.js", "plots.js", "search.js", "course.js", "parallel.js", "table.js", "main.js")


def page_of(contents: Sequence[Mapping[str, Any]]) -> str:
    """Return the page about one or several runs; raise EnvironmentProblem without plotly."""
    web = files("autofinetune.report") / "web"
    style = (web / "page.css").read_text("utf-8")
    parts = [(web / name).read_text("utf-8") for name in _SCRIPTS]
    own = "(() => {\n'use strict';\n" + "\n".join(parts) + "\n})();"
    plotly = _plotly()
    data = {"version": __version__, "runs": list(contents)}
    body = (web / "body.html").read_text("utf-8")
    return "".join(
        [
            BEGINNING,
            '<html lang="en"><head><meta charset="utf-8">\n',
            f'<meta http-equiv="Content-Security-Policy" content="{_policy(plotly, own)}">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            '<meta name="color-scheme" content="light dark"><title>autofinetune report</title>\n',
            f"<style>{style}</style></head>\n",
            body,
            f'<script type="application/json" id="data">{as_json(data)}</script>\n',
            f"<script>{own}</script>\n<script>{plotly}</script>\n</body></html>\n",
        ]
    )


def _policy(*scripts: str) -> str:
    """Return the policy. Plotly sets styles of single elements, so those are allowed."""
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def as_json(data: object) -> str:
    """Return compact JSON that cannot end the element in which it is, nor begin another."""
    text = json.dumps(_finite(data), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _finite(data: object) -> object:
    """Return data with null for numbers that JSON does not have, and 10 digits of floats."""
    if isinstance(data, float):
        return float(f"{data:.10g}") if math.isfinite(data) else None
    if isinstance(data, Mapping):
        return {str(key): _finite(value) for key, value in data.items()}
    if isinstance(data, Iterable) and not isinstance(data, str):
        return [_finite(value) for value in data]
    return data


def _plotly() -> str:
    """Return Plotly's script, which stops to make kinds of plots ready once it has `_KINDS`.

    Where a version of Plotly looks different, the script is returned as it is, and starts slower.
    """
    PLOTLY.check("the report")
    from plotly.offline import get_plotlyjs

    # The file is read with the line ends that a browser sees, so that the hash fits.
    text = str(get_plotlyjs()).replace("\r\n", "\n").replace("</script", "<\\/script")
    wrapped = _WRAPPED.fullmatch(text)
    return _REGISTERED.sub(_until_found, wrapped[1] + wrapped[2] if wrapped else text, count=1)


def _until_found(registered: re.Match[str]) -> str:
    plotly, kinds = registered[1], registered[2].replace("()", "")
    return (
        f"(()=>{{const wanted=new Set({json.dumps(_KINDS)});for(const load of[{kinds}]){{"
        f"const kind=load();{plotly}.register(kind);wanted.delete(kind.name);"
        "if(!wanted.size)break}})()"
    )
