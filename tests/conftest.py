"""What holds for all tests."""

from __future__ import annotations

import os

# Linear algebra of our size is fastest on one core; numpy reads this when it is imported.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

from hypothesis import settings  # noqa: E402

# No test depends on how fast the machine is.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
