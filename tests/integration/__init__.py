"""Tests with the real libraries; `make test-integrations` runs them in an environment with those."""

from __future__ import annotations

import importlib
import os
from types import ModuleType

import pytest

WITH_LIBRARIES = "WITH_LIBRARIES"


def library(name: str) -> ModuleType:
    """Import a library, which must be there in `make test-integrations`; else skip the module."""
    if not os.environ.get(WITH_LIBRARIES):
        pytest.skip(f"needs {name}: make test-integrations", allow_module_level=True)
    return importlib.import_module(name)
