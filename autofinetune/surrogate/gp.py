"""A Gaussian process with a Matern kernel and one length scale per feature.

    k(x, x') = s^2 (1 + sqrt(5) r + 5/3 r^2) exp(-sqrt(5) r),   r^2 = sum_j (x_j - x'_j)^2 / l_j^2

for the smoothness nu = 5/2, s^2 (1 + sqrt(3) r) exp(-sqrt(3) r) for 3/2 and s^2 exp(-r) for 1/2,
with independent noise of variance v on every observation (Rasmussen and Williams, "Gaussian
Processes for Machine Learning", 2006, equations 2.25, 2.26, 4.14, 4.17, 5.8, 5.9). Hyperparameters
are the maximum of their posterior under wide log-normal priors, found by L-BFGS.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import scipy  # loads its modules on first use; the first trials need none of them
from numpy.typing import NDArray

Array = NDArray[np.float64]
_SQRT3, _SQRT5 = 3.0**0.5, 5.0**0.5
NU = 2.5
_JITTER = 1e-8
# Means and standard deviations of the priors on log l, log s^2 and log v; `fit` takes the mean of
# log l as an argument.
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
        """Return posterior mean and deviation (without noise), `(m,)`, at `x` `(m, width)`."""
        signal = float(np.exp(self.theta[-2]))
        cross = self._kernel(self._distances(x))
        mean = cross @ self.alpha
        solved = scipy.linalg.solve_triangular(self.lower, cross.T, lower=True, check_finite=False)
        variance = signal - np.einsum("ij,ij->j", solved, solved)
        return mean, np.sqrt(np.maximum(variance, 1e-12))

    def slopes(self, x: Array) -> tuple[Array, Array, Array, Array]:
        """Return `predict` and the gradients of mean and standard deviation, `(m, width)` each."""
        signal, inverse = float(np.exp(self.theta[-2])), np.exp(-2.0 * self.theta[:-2])
        distances = self._distances(x)
        cross, slope = self._kernel(distances), _slope(distances, signal, self.nu)
        solved = _solve(self.lower, cross.T).T
        variance = np.maximum(signal - np.einsum("ij,ij->i", cross, solved), 1e-12)
        deviation = np.sqrt(variance)

        def gradient(weights: Array) -> Array:
            """Return the gradient of sum_i weights_i k(x, x_i), for weights `(m, n)`."""
            both = slope * weights
            return np.asarray((both.sum(1)[:, None] * x - both @ self.x) * inverse)

        mean_slope = gradient(np.broadcast_to(self.alpha, slope.shape))
        deviation_slope = -gradient(solved) / deviation[:, None]
        return cross @ self.alpha, deviation, mean_slope, deviation_slope

    def cross(self, x: Array) -> Array:
        """Return the prior covariance of features `(m, width)` and the observations, `(m, n)`."""
        return self._kernel(self._distances(x))

    def covariance(self, x: Array, other: Array) -> Array:
        """Return the posterior covariance of features `(m, width)` and `(k, width)`, `(m, k)`."""
        solved = _solve(self.lower, self._kernel(self._distances(other)).T)
        prior = self._kernel(_distances(_left(x, self.theta), _right(other, self.theta)))
        return np.asarray(prior - self._kernel(self._distances(x)) @ solved)

    def surprise(self) -> Array:
        """Return the leave-one-out residuals (equation 5.12), in standard deviations, `(n,)`."""
        return np.asarray(self.alpha / np.sqrt(np.diag(self.inverse())))

    def inverse(self) -> Array:
        """Return the inverse of the covariance of the observations with noise, `(n, n)`."""
        return _solve(self.lower, np.eye(len(self.x)))

    @functools.cached_property
    def _known(self) -> Array:
        return _right(self.x, self.theta)

    def _distances(self, x: Array) -> Array:
        return _distances(_left(x, self.theta), self._known)

    def _kernel(self, distances: Array) -> Array:
        return _kernel(distances, float(np.exp(self.theta[-2])), self.nu)


def condition(x: Array, y: Array, theta: Array, nu: float = NU) -> GaussianProcess:
    """Return the process with given hyperparameters, conditioned on observations `y` `(n,)`."""
    lower: Array = np.linalg.cholesky(_covariance(x, theta, nu)).astype(np.float64)
    return GaussianProcess(x, theta, lower, _solve(lower, y), nu)


def fit(
    x: Array,
    y: Array,
    iterations: int = 50,
    lengths: Array | None = None,
    nu: float = NU,
    noise: float | None = None,
    fixed: int = 0,
) -> GaussianProcess:
    """Fit hyperparameters to observations at features `x` `(n, width)` and condition on them.

    Args:
        y: targets with mean near 0 and standard deviation near 1, shape `(n,)`.
        lengths: the medians of the priors of length scales, `(width,)`; 1 by default.
        nu: the smoothness of the kernel, 0.5, 1.5 or 2.5.
        noise: the variance of the noise if it is known; otherwise it is fitted, too.
        fixed: how many of the last length scales stay at the medians of their priors.
    """
    width = x.shape[1]
    noise_mean = NOISE_MEAN if noise is None else np.log(noise)
    length_means = np.zeros(width) if lengths is None else np.log(lengths)
    prior = np.concatenate([length_means, [SIGNAL_MEAN, noise_mean]])
    spread = np.concatenate([np.full(width, LENGTH_SPREAD), [SIGNAL_SPREAD, NOISE_SPREAD]])
    pairs = np.tril_indices(len(x), -1)
    squares = (x[pairs[0]] - x[pairs[1]]) ** 2
    noise_bounds = _BOUNDS[2] if noise is None else (noise_mean, noise_mean)
    bounds = [_BOUNDS[0]] * width + [_BOUNDS[1], noise_bounds]
    for feature in range(width - fixed, width):
        bounds[feature] = (prior[feature], prior[feature])
    found = scipy.optimize.minimize(
        _negative_log_posterior,
        np.clip(prior, [low for low, _ in bounds], [high for _, high in bounds]),
        args=(pairs, squares, y, prior, spread, nu),
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": iterations},
    )
    return condition(x, y, found.x, nu)


def _solve(lower: Array, b: Array) -> Array:
    """Return A^-1 b for A = L L^T, in the shape of `b`."""
    return np.asarray(scipy.linalg.lapack.dpotrs(lower.T, b)[0])


def _negative_log_posterior(
    theta: Array,
    pairs: tuple[NDArray[np.intp], NDArray[np.intp]],
    squares: Array,
    y: Array,
    prior: Array,
    spread: Array,
    nu: float = NU,
) -> tuple[float, Array]:
    """Return value and gradient; `squares` `(m, width)` are those of the `pairs` of trials."""
    n, width = len(y), squares.shape[1]
    inverse = np.exp(-2.0 * theta[:width])
    signal, noise = float(np.exp(theta[width])), float(np.exp(theta[width + 1]))
    distances = np.sqrt(squares @ inverse)
    kernel, slope = _kernel(distances, signal, nu), _slope(distances, signal, nu)
    covariance = np.zeros((n, n))
    covariance[pairs] = kernel
    np.fill_diagonal(covariance, signal + noise + _JITTER)
    away = (theta - prior) / spread
    try:
        lower: Array = np.linalg.cholesky(covariance).astype(np.float64, copy=False)
    except np.linalg.LinAlgError:
        return 1e25, np.zeros_like(theta)
    alpha = _solve(lower, y)
    value = 0.5 * y @ alpha + np.log(np.diag(lower)).sum() + 0.5 * away @ away
    inverted = scipy.linalg.lapack.dpotri(lower.T)[0].T
    weight = inverted[pairs] - alpha[pairs[0]] * alpha[pairs[1]]  # counts twice: half the matrix
    trace = float(np.trace(inverted) - alpha @ alpha)
    gradient = np.empty_like(theta)
    gradient[:width] = -inverse * ((slope * weight) @ squares)
    gradient[width] = weight @ kernel + 0.5 * signal * trace
    gradient[width + 1] = 0.5 * noise * trace
    return float(value), gradient + away / spread


def _covariance(x: Array, theta: Array, nu: float) -> Array:
    distances = _distances(_left(x, theta), _right(x, theta))
    kernel = _kernel(distances, float(np.exp(theta[-2])), nu)
    return np.asarray(kernel + (np.exp(theta[-1]) + _JITTER) * np.eye(len(x)))


def _left(x: Array, theta: Array) -> Array:
    """Return rows `(-2 a, |a|^2, 1)` for scaled features a; times `_right` they give |a - b|^2."""
    scaled = x * np.exp(-theta[:-2])
    return np.column_stack([-2.0 * scaled, (scaled**2).sum(1), np.ones(len(x))])


def _right(x: Array, theta: Array) -> Array:
    """Return columns `(b, 1, |b|^2)` for scaled features b."""
    scaled = x * np.exp(-theta[:-2])
    return np.column_stack([scaled, np.ones(len(x)), (scaled**2).sum(1)]).T


def _distances(left: Array, right: Array) -> Array:
    squares: Array = left @ right
    return np.sqrt(np.maximum(squares, 0.0, out=squares), out=squares)


def _kernel(distance: Array, signal: float, nu: float) -> Array:
    """Return k at r = `distance`, in the shape of `distance`."""
    if nu == 0.5:
        return np.asarray(signal * np.exp(-distance))
    if nu == 1.5:
        return np.asarray(signal * (1.0 + _SQRT3 * distance) * np.exp(-_SQRT3 * distance))
    scaled = _SQRT5 * distance
    return np.asarray(signal * (1.0 + scaled * (1.0 + scaled / 3.0)) * np.exp(-scaled))


def _slope(distance: Array, signal: float, nu: float) -> Array:
    """Return the derivative of `_kernel` by r^2 / 2."""
    if nu == 0.5:
        return -signal * np.exp(-distance) / np.maximum(distance, _JITTER)  # a pole at 0
    if nu == 1.5:
        return np.asarray(-3.0 * signal * np.exp(-_SQRT3 * distance))
    scaled = _SQRT5 * distance
    return np.asarray(-signal * 5.0 / 3.0 * (1.0 + scaled) * np.exp(-scaled))
