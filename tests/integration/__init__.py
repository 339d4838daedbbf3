"""Tests with the real libraries, which `make test-integrations` runs where those are installed."""

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
