"""Sweeps on a graphics card: the compiled passes of the sweep, compiled once more, a thread a combination."""

from workbench.research.gpu.card import open_card
from workbench.research.gpu.device_run import DeviceRun

__all__ = ["DeviceRun", "open_card"]
