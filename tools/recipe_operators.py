"""Write autofinetune/recipe/operators.json from the installed Data-Juicer.

Usage: AUTOFINETUNE_SOURCE=. PYTHON tools/recipe_operators.py

PYTHON is that of the environment of requirements/recipes.txt. What nearly all operators take
stands once, and each operator names what it takes besides, and what it lacks.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autofinetune.recipe.signatures import describe

_FILE = Path(__file__).parents[1] / "autofinetune/recipe/operators.json"
_COMMON_SHARE = 0.9


def compact(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return the table as `autofinetune.recipe.operators` reads it."""
    operators = told["operators"]
    seen: Counter[tuple[str, str]] = Counter()
    for operator in operators.values():
        seen.update((name, _as_json(one)) for name, one in operator["arguments"].items())
    least = _COMMON_SHARE * len(operators)
    common = {name: json.loads(one) for (name, one), often in seen.items() if often >= least}
    return {
        "version": told["version"],
        "common": common,
        "operators": {
            name: {
                "lacks": sorted(set(common) - set(operator["arguments"])),
                "arguments": {
                    argument: one
                    for argument, one in operator["arguments"].items()
                    if common.get(argument) != one
                },
                "thresholds": operator["thresholds"],
            }
            for name, operator in operators.items()
        },
    }


def _as_json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def main() -> None:
    """Write the file, one operator a line."""
    table = compact(describe())
    lines = ",\n".join(
        f"{json.dumps(name)}: {_as_json(one)}" for name, one in table["operators"].items()
    )
    text = (
        f'{{"version": {json.dumps(table["version"])},\n"common": {_as_json(table["common"])},\n'
    )
    _FILE.write_text(f'{text}"operators": {{\n{lines}\n}}}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
