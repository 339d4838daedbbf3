"""What finished trials say about untried ones: features, a Gaussian process, and its use."""

from .features import Features
from .gp import LENGTH, GaussianProcess, fit
from .screen import TAIL, Screen

__all__ = ["LENGTH", "TAIL", "Features", "GaussianProcess", "Screen", "fit"]
