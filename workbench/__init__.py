"""A Jupyter-centred research and trading workbench for forex."""

__all__ = ["__version__"]

__version__ = "0.1.0"
