"""The version of this release, and the directory in which it is installed."""

import os

__version__ = "0.1.0"
# The folder that other processes need on their path to import this package.
PACKAGE_PARENT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
