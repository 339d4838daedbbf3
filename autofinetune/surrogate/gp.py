"""A Gaussian process with a Matern kernel and one length scale a feature.

    k(x, x') = s^2 (1 + sqrt(5) r + 5/3 r^2) exp(-sqrt(5) r),   r^2 = sum_j (x_j - x'_j)^2 / l_j^2

for the smoothness nu = 5/2, s^2 (1 + sqrt(3) r) exp(-sqrt(3) r) for 3/2 and s^2 exp(-r) for 1/2,
with independent noise of variance v on every observation (Rasmussen and Williams, "Gaussian
Processes for Machine Learning", 2006, equations 2.25, 2.26, 4.14, 4.17, 5.8, 5.9). Hyperparameters
are the maximum of their posterior under wide log-normal priors, found by L-BFGS.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy  # whose modules load when they are first used: the first trials need none of them
from numpy.typing import NDArray

Array = NDArray[np.float64]
_SQRT3, _SQRT5 = 3.0**0.5, 5.0**0.5
NU = 2.5
_JITTER = 1e-8
# Means and deviations of the priors on log l, log s^2 and log v; `fit` is given the mean of log l.
LENGTH_SPREAD = 0.6
SIGNAL_MEAN, SIGNAL_SPREAD = 0.0, 0.7
NOISE_MEAN, NOISE_SPREAD = np.log(1e-5), 2.0
_BOUNDS = (np.log(0.03), np.log(30.0)), (np.log(0.05), np.log(20.0)), (np.log(1e-6), np.log(1.0))


@dataclass(frozen=True)
class GaussianProcess:
    """A fitted process over features `x` `(n, width)` with targets of mean zero.

    `theta` holds log l `(width,)`, log s^2 and log v.
    """

    x: Array
    theta: Array
    lower: Array
    alpha: Array
    nu: float = NU

    def predict(self, x: Array) -> tuple[Array, Array]:
        """Posterior mean and standard deviation (without noise) at features `(m, width)`."""
        signal = float(np.exp(self.theta[-2]))
        cross, _ = self._kernel(x, self.x)
        mean = cross @ self.alpha
        solved = scipy.linalg.solve_triangular(self.lower, cross.T, lower=True, check_finite=False)
        variance = signal - np.einsum("ij,ij->j", solved, solved)
        return mean, np.sqrt(np.maximum(variance, 1e-12))

    def slopes(self, x: Array) -> tuple[Array, Array, Array, Array]:
        """`predict`, and the gradients of mean and deviation, `(m, width)` each."""
        signal, inverse = float(np.exp(self.theta[-2])), np.exp(-2.0 * self.theta[:-2])
        cross, slope = self._kernel(x, self.x)
        solved = _solve(self.lower, cross.T).T
        variance = np.maximum(signal - np.einsum("ij,ij->i", cross, solved), 1e-12)
        deviation = np.sqrt(variance)

        def gradient(weights: Array) -> Array:
            """Of sum_i weights_i k(x, x_i), for weights `(m, n)`."""
            both = slope * weights
            return np.asarray((both.sum(1)[:, None] * x - both @ self.x) * inverse)

        mean_slope = gradient(np.broadcast_to(self.alpha, slope.shape))
        deviation_slope = -gradient(solved) / deviation[:, None]
        return cross @ self.alpha, deviation, mean_slope, deviation_slope

    def covariance(self, x: Array, other: Array) -> Array:
        """Posterior covariance at features `(m, width)` and `(k, width)`; shape `(m, k)`."""
        known = self._kernel(other, self.x)[0]
        solved = _solve(self.lower, known.T)
        return np.asarray(self._kernel(x, other)[0] - self._kernel(x, self.x)[0] @ solved)

    def surprise(self) -> Array:
        """How far each target lies from what all others say, in deviations, `(n,)`.

        Rasmussen and Williams, equation 5.12.
        """
        inverse = _solve(self.lower, np.eye(len(self.x)))
        return np.asarray(self.alpha / np.sqrt(np.diag(inverse)))

    def _kernel(self, x: Array, other: Array) -> tuple[Array, Array]:
        distances = _scaled_distances(x, other, self.theta)
        return _kernel_and_slope(distances, float(np.exp(self.theta[-2])), self.nu)


def condition(x: Array, y: Array, theta: Array, nu: float = NU) -> GaussianProcess:
    """The process with given hyperparameters on observations `y` `(n,)`."""
    lower: Array = np.linalg.cholesky(_covariance(x, theta, nu)).astype(np.float64)
    return GaussianProcess(x, theta, lower, _solve(lower, y), nu)


def fit(
    x: Array,
    y: Array,
    iterations: int = 50,
    lengths: Array | None = None,
    nu: float = NU,
    noise: float | None = None,
) -> GaussianProcess:
    """Fit hyperparameters to observations and condition on them.

    Args:
        x: features, shape `(n, width)`.
        y: targets with mean near 0 and deviation near 1, shape `(n,)`.
        iterations: of the optimiser at most.
        lengths: the medians of the priors of length scales, `(width,)`; 1 by default.
        nu: the smoothness of the kernel, 0.5, 1.5 or 2.5.
        noise: its variance where it is known; otherwise it is fitted, too.
    """
    width = x.shape[1]
    noise_mean = NOISE_MEAN if noise is None else np.log(noise)
    length_means = np.zeros(width) if lengths is None else np.log(lengths)
    prior = np.concatenate([length_means, [SIGNAL_MEAN, noise_mean]])
    spread = np.concatenate([np.full(width, LENGTH_SPREAD), [SIGNAL_SPREAD, NOISE_SPREAD]])
    squares = (x[:, None, :] - x[None, :, :]) ** 2
    noise_bounds = _BOUNDS[2] if noise is None else (noise_mean, noise_mean)
    bounds = [_BOUNDS[0]] * width + [_BOUNDS[1], noise_bounds]
    found = scipy.optimize.minimize(
        _negative_log_posterior,
        np.clip(prior, [low for low, _ in bounds], [high for _, high in bounds]),
        args=(squares, y, prior, spread, nu),
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": iterations},
    )
    return condition(x, y, found.x, nu)


def _solve(lower: Array, b: Array) -> Array:
    """A^-1 b for A = L L^T, of the shape of `b`."""
    return np.asarray(scipy.linalg.cho_solve((lower, True), b, check_finite=False))


def _negative_log_posterior(
    theta: Array, squares: Array, y: Array, prior: Array, spread: Array, nu: float = NU
) -> tuple[float, Array]:
    """Value and gradient; `squares` is `(n, n, width)`."""
    n, width = len(y), squares.shape[2]
    inverse = np.exp(-2.0 * theta[:width])
    signal, noise = float(np.exp(theta[width])), np.exp(theta[width + 1])
    kernel, slope = _kernel_and_slope(np.sqrt(np.maximum(squares @ inverse, 0.0)), signal, nu)
    covariance = kernel + (noise + _JITTER) * np.eye(n)
    away = (theta - prior) / spread
    try:
        lower = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        return 1e25, np.zeros_like(theta)
    alpha = _solve(lower, y)
    value = 0.5 * y @ alpha + np.log(np.diag(lower)).sum() + 0.5 * away @ away
    weight = _solve(lower, np.eye(n)) - np.outer(alpha, alpha)
    gradient = np.empty_like(theta)
    gradient[:width] = -0.5 * inverse * np.einsum("ij,ijk->k", slope * weight, squares)
    gradient[width] = 0.5 * np.sum(weight * kernel)
    gradient[width + 1] = 0.5 * noise * np.trace(weight)
    return float(value), gradient + away / spread


def _covariance(x: Array, theta: Array, nu: float) -> Array:
    kernel, _ = _kernel_and_slope(_scaled_distances(x, x, theta), float(np.exp(theta[-2])), nu)
    return np.asarray(kernel + (np.exp(theta[-1]) + _JITTER) * np.eye(len(x)))


def _scaled_distances(a: Array, b: Array, theta: Array) -> Array:
    scale = np.exp(-theta[:-2])
    a, b = a * scale, b * scale
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1)[None, :] - 2.0 * a @ b.T
    return np.asarray(np.sqrt(np.maximum(squares, 0.0)))


def _kernel_and_slope(distance: Array, signal: float, nu: float) -> tuple[Array, Array]:
    """k at r = `distance`, and its derivative by r^2 / 2; of the shape of `distance`."""
    if nu == 0.5:
        kernel = signal * np.exp(-distance)
        return kernel, -kernel / np.maximum(distance, _JITTER)  # which has a pole at 0
    if nu == 1.5:
        decay = np.exp(-_SQRT3 * distance)
        return signal * (1.0 + _SQRT3 * distance) * decay, -3.0 * signal * decay
    decay = np.exp(-_SQRT5 * distance)
    kernel = signal * (1.0 + _SQRT5 * distance + 5.0 / 3.0 * distance**2) * decay
    return kernel, -signal * 5.0 / 3.0 * (1.0 + _SQRT5 * distance) * decay
