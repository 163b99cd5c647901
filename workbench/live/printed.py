"""What a live kernel's cells and strategy print, copied to a file that does not grow without end."""

import os

__all__ = ["MOST_BYTES", "Printed"]

MOST_BYTES = 10 << 20
_CHUNK = 1 << 16
_CHUNKS = 16  # a turn, so that somebody who prints without end holds nothing else up


class Printed:
    """Copies from a pipe that does not block; beyond `most_bytes` it reads on and keeps nothing."""

    def __init__(self, source: int, target: int, *, most_bytes: int = MOST_BYTES) -> None:
        self._source, self._target = source, target
        self._left = most_bytes
        self._most = most_bytes
        self.cut = False

    def copy(self) -> bool:
        """Copy what is there, in small turns; whether something was."""
        for _ in range(_CHUNKS):
            try:
                chunk = os.read(self._source, _CHUNK)
            except BlockingIOError:
                return True
            if not chunk:
                return False  # nobody writes any more
            self._keep(chunk)
        return True

    def _keep(self, chunk: bytes) -> None:
        if self.cut:
            return
        kept, self._left = chunk[: self._left], self._left - len(chunk)
        if self._left < 0:
            self.cut = True
            kept += f"\n[output beyond {self._most >> 20} MiB is left out]\n".encode()
        try:
            os.write(self._target, kept)
        except OSError:
            self.cut = True  # a full disk: what is printed is lost, the strategy trades on
