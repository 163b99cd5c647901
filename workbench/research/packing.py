"""Long columns of numbers as short text for a page: whole steps from one value to the next, compressed."""

import base64
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["packed_column", "unpacked_column"]

Floats = npt.NDArray[np.float64]
_LEVEL = 6


def packed_column(values: npt.ArrayLike, *, unit: float) -> dict[str, Any]:
    """A column rounded to whole multiples of `unit`; NaN stays NaN; great steps are kept as floats."""
    column = np.asarray(values, np.float64)
    missing = ~np.isfinite(column)
    found: dict[str, Any] = {"count": len(column), "scale": unit}
    if missing.any():
        found["missing"] = _text(np.packbits(missing).tobytes())
        column = _filled(column, missing)
    whole = np.rint(column / unit)
    if not len(whole):
        return {**found, "first": 0, "planes": _text(b"")}
    steps = np.diff(whole, prepend=whole[0])
    if np.abs(whole).max() > 2**52 or np.abs(steps).max() >= 2**31 - 1:
        return {**found, "floats": _text(np.ascontiguousarray(column, "<f8").tobytes())}
    step = steps.astype(np.int64)
    zigzag = np.where(step < 0, -2 * step - 1, 2 * step).astype("<u4")
    planes = zigzag.view(np.uint8).reshape(-1, 4).T  # the like bytes of all together
    return {**found, "first": int(whole[0]), "planes": _text(planes.tobytes())}


def unpacked_column(packed: dict[str, Any]) -> Floats:
    """What a page makes of a packed column."""
    count = int(packed["count"])
    if "floats" in packed:
        values = np.frombuffer(_bytes(packed["floats"]), "<f8").copy()
    else:
        planes = np.frombuffer(_bytes(packed["planes"]), np.uint8).reshape(4, count)
        zigzag = np.ascontiguousarray(planes.T).view("<u4").reshape(-1).astype(np.int64)
        steps = np.where(zigzag % 2 == 1, -(zigzag + 1) // 2, zigzag // 2)
        values = (int(packed["first"]) + np.cumsum(steps)) * float(packed["scale"])
    if "missing" in packed:
        bits = np.unpackbits(np.frombuffer(_bytes(packed["missing"]), np.uint8))[:count]
        values[bits == 1] = np.nan
    return values


def _filled(column: Floats, missing: npt.NDArray[np.bool_]) -> Floats:
    """Each missing value as the known one before it, so that it takes no room."""
    place = np.where(missing, 0, np.arange(len(column)))
    np.maximum.accumulate(place, out=place)
    found: Floats = column[place]
    return np.where(np.isfinite(found), found, 0.0)


def _text(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content, _LEVEL)).decode()


def _bytes(text: str) -> bytes:
    return zlib.decompress(base64.b64decode(text))
