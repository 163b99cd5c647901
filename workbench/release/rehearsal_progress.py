"""How far a rehearsal is: written by the rehearsing kernel, read by the promotion that waits for it."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["ProgressFile", "progress_told"]

_WRITE_EVERY_S = 0.5


class ProgressFile:
    """A small file beside a rehearsal's findings."""

    def __init__(self, findings: Path) -> None:
        self._path = findings.with_suffix(".progress")
        self._written_at = 0.0

    def write(self, done: int, of: int) -> None:
        """Say how many events of how many are done; written twice a second at the most."""
        now = time.monotonic()
        if now - self._written_at < _WRITE_EVERY_S:
            return
        self._written_at = now
        aside = self._path.with_suffix(".half")
        aside.write_text(json.dumps([done, of]), encoding="utf-8")
        aside.replace(self._path)

    def read(self) -> tuple[int, int]:
        """What was written last; nothing of nothing before."""
        with suppress(FileNotFoundError):
            done, of = json.loads(self._path.read_text(encoding="utf-8"))
            return int(done), int(of)
        return 0, 0


@contextmanager
def progress_told(findings: Path, tell: Callable[[int, int], None]) -> Iterator[None]:
    """Call `tell` with what the rehearsal writes, while the block runs."""
    ended = threading.Event()
    file = ProgressFile(findings)

    def watch() -> None:
        seen = (0, 0)
        while not ended.wait(_WRITE_EVERY_S):
            if (found := file.read()) != seen:
                seen = found
                tell(*found)

    thread = threading.Thread(target=watch, name="rehearsal progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
