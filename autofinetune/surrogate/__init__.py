"""Predictions for untried points from finished trials, by a Gaussian process."""

from .by_value import OrderedFeatures
from .chain_screen import ChainScreen
from .chains import Chains
from .curve_screen import CurveScreen, Outlook
from .features import LENGTH, Features
from .gp import GaussianProcess, fit
from .screen import TAIL, Screen, clipped, standardized
from .utility import log_improvement, log_probability, uncertainty, upper_bound

__all__ = [
    "LENGTH",
    "TAIL",
    "ChainScreen",
    "Chains",
    "CurveScreen",
    "Features",
    "GaussianProcess",
    "OrderedFeatures",
    "Outlook",
    "Screen",
    "clipped",
    "fit",
    "log_improvement",
    "log_probability",
    "standardized",
    "uncertainty",
    "upper_bound",
]
