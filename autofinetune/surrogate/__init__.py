"""Predictions for untried points from finished trials, by a Gaussian process."""

from .by_value import OrderedFeatures
from .features import LENGTH, Features
from .gp import GaussianProcess, fit
from .screen import TAIL, Screen, clipped, standardized
from .utility import log_improvement, log_probability, uncertainty, upper_bound

__all__ = [
    "LENGTH",
    "TAIL",
    "Features",
    "GaussianProcess",
    "OrderedFeatures",
    "Screen",
    "clipped",
    "fit",
    "log_improvement",
    "log_probability",
    "standardized",
    "uncertainty",
    "upper_bound",
]
