"""What a live kernel says to its guard in words: few, through a pipe, so that they outlive who said them."""

import os

import msgspec

from workbench.live.beat import Phase

__all__ = ["Said", "Sayings", "say"]

_CHUNK = 65_536


class Said(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the kernel stands."""

    phase: Phase = Phase.STARTING
    detail: str = ""  # one sentence
    waiting: str = ""  # what it waits for, empty for nothing unusual


def say(pipe: int, said: Said) -> None:
    """Write it; a line of JSON."""
    line = msgspec.json.encode(said) + b"\n"
    while line:
        line = line[os.write(pipe, line) :]


class Sayings:
    """The guard's end of the pipe, which does not block."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._rest = b""
        self.last = Said()

    def hear(self) -> bool:
        """Take in what was said meanwhile; whether there was something. A line that is none is left out."""
        heard = False
        while chunk := self._read():
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            for line in lines:
                try:
                    self.last = msgspec.json.decode(line, type=Said)
                    heard = True
                except msgspec.DecodeError:
                    continue  # a strategy's code has written into the descriptor
        return heard

    def _read(self) -> bytes:
        try:
            return os.read(self._pipe, _CHUNK)
        except BlockingIOError:
            return b""
