"""Functions drawn from the posterior of a Gaussian process.

A draw is one from the prior, corrected by what the observations say against it (Matheron's rule;
Wilson et al., "Efficiently Sampling Functions from Gaussian Process Posteriors", ICML 2020):

    f(x) = g(x) + k(x, X) (K + v I)^-1 (y - g(X) - e),   g from the prior, e from the noise

The prior is drawn as a sum of cosines whose frequencies have the spectral density of the kernel,
a multivariate t distribution (Rahimi and Recht, "Random Features for Large-Scale Kernel Machines",
NeurIPS 2007). So a draw can be evaluated anywhere, at a cost that is linear in the points.
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import NDArray

from .gp import GaussianProcess

Array = NDArray[np.float64]
_COSINES = 1024
_AT_ONCE = 2048  # points evaluated together


class Draws:
    """The mean of a process, and `count` functions drawn from its posterior.

    Only for kernels with a smoothness of 3/2 or 5/2. Equal seeds give equal draws.
    """

    def __init__(self, gp: GaussianProcess, count: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        width = gp.x.shape[1]
        freedom = 2.0 * gp.nu
        stretch = np.sqrt(freedom / rng.chisquare(freedom, _COSINES))
        normal = rng.standard_normal((width, _COSINES))
        self._gp = gp
        self._frequencies = normal * stretch * np.exp(-gp.theta[:-2])[:, None]
        self._phases = rng.uniform(0.0, 2.0 * np.pi, _COSINES)
        self._weights = rng.standard_normal((_COSINES, count))
        noise = rng.standard_normal((len(gp.x), count)) * np.exp(0.5 * gp.theta[-1])
        corrections = scipy.linalg.cho_solve((gp.lower, True), self._prior(gp.x) + noise)
        self._alphas = np.column_stack([gp.alpha, gp.alpha[:, None] - corrections])

    def __call__(self, x: Array) -> Array:
        """Return mean and draws at features `(m, width)`: shape `(m, 1 + count)`."""
        found = np.empty((len(x), self._alphas.shape[1]))
        for first in range(0, len(x), _AT_ONCE):
            part = x[first : first + _AT_ONCE]
            values = self._gp.cross(part) @ self._alphas
            values[:, 1:] += self._prior(part)
            found[first : first + _AT_ONCE] = values
        return found

    def _prior(self, x: Array) -> Array:
        scale = np.exp(0.5 * self._gp.theta[-2]) * (2.0 / _COSINES) ** 0.5
        waves = np.cos(x @ self._frequencies + self._phases)
        return np.asarray(scale * waves @ self._weights)
