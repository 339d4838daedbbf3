"""What finished trials say about untried ones: features, a Gaussian process, and its use."""

from .features import Features
from .gp import GaussianProcess, fit
from .screen import Screen

__all__ = ["Features", "GaussianProcess", "Screen", "fit"]
