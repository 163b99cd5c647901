"""The card that a sweep may run on, or the sentence that says why there is none."""

from dataclasses import dataclass
from typing import Any

import numba
import numba.cuda

from workbench.errors import BadInputError

__all__ = ["SIMULATED", "Card", "cuda", "open_card"]

cuda: Any = numba.cuda
SIMULATED = bool(
    getattr(numba.config, "ENABLE_CUDASIM", False)
)  # NUMBA_ENABLE_CUDASIM=1: Python acts the card

_SHARE = 0.7  # of the free memory: the rest is for the driver, and for whoever draws the screen
_SIMULATED_BYTES = 2**28


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A card that is ready."""

    name: str
    memory_bytes: int  # that a sweep may take


def open_card() -> Card:
    """The current card.

    Raises
    ------
    BadInputError
        There is none that can be used.
    """
    if not SIMULATED and not cuda.is_available():
        raise BadInputError(
            f"device='cuda': expected an NVIDIA card, its driver and CUDA's compiler, found {_missing()}; "
            "leave device='cpu', or on a machine with a card: pip install 'forex-workbench[gpu]'"
        )
    if SIMULATED:
        return Card(name="numba's simulator of a card", memory_bytes=_SIMULATED_BYTES)
    free = int(cuda.current_context().get_memory_info().free)
    name = cuda.get_current_device().name
    return Card(name=name.decode() if isinstance(name, bytes) else str(name), memory_bytes=int(free * _SHARE))


def _missing() -> str:
    """What is not there, in words."""
    problem = cuda.cuda_error()
    if problem:
        return "no driver" if "library" in str(problem).lower() else f"a driver that fails ({problem})"
    return "no compiler of CUDA (libNVVM), or no card"
