"""Where the store's files lie: a local folder, or any fsspec URL with copies in a local one.

Files are immutable and named by their content, so a copy never goes stale. A file is there whole or not at
all, and on the disk before anybody hears of it.
"""

import hashlib
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from workbench.errors import BadInputError

__all__ = ["Folder", "LocalFolder", "RemoteFolder", "open_folder", "write_durably"]

Data: TypeAlias = Any  # bytes, or what pyarrow wrote into memory

_FRESH_S = 3_600.0  # a file found again is stamped anew when older, so that no sweep takes it meanwhile
_WRITING = ".writing-"


class Folder(Protocol):
    """Files by their name below one root; names use ``/``."""

    def write(self, name: str, data: Data) -> None:
        """Have `data` under `name`, durably; a file that is there already with this size is left alone."""
        ...

    def path(self, name: str) -> Path:
        """A local file with the content of `name`; it need not exist when the folder has no such file."""
        ...

    def fetch(self, names: Sequence[str]) -> None:
        """Get ready to read these soon, all at once where that is faster."""
        ...

    def forget(self, name: str) -> None:
        """Drop a local copy that turned out damaged; nothing where the file itself is local."""
        ...

    def names(self) -> Iterator[tuple[str, int, float]]:
        """Name, bytes and age in seconds of every file, those cut off while written among them."""
        ...

    def delete(self, name: str) -> None:
        """Remove a file."""
        ...


class LocalFolder:
    """A folder on this machine, made when the first file comes."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, name: str, data: Data) -> None:
        """See `Folder`."""
        path = self.root / name
        with suppress(FileNotFoundError):
            stat = path.stat()
            view = memoryview(data)
            if stat.st_size == view.nbytes and path.read_bytes() == view:  # a damaged one is written anew
                if time.time() - stat.st_mtime > _FRESH_S:
                    os.utime(path)
                return
        write_durably(path, data)

    def path(self, name: str) -> Path:
        """See `Folder`."""
        return self.root / name

    def fetch(self, names: Sequence[str]) -> None:
        """Nothing to do."""

    def forget(self, name: str) -> None:
        """Nothing to do."""

    def names(self) -> Iterator[tuple[str, int, float]]:
        """See `Folder`."""
        now = time.time()
        for path in self.root.rglob("*"):
            with suppress(FileNotFoundError):
                if path.is_file():
                    stat = path.stat()
                    yield path.relative_to(self.root).as_posix(), stat.st_size, now - stat.st_mtime

    def delete(self, name: str) -> None:
        """See `Folder`."""
        (self.root / name).unlink(missing_ok=True)


class RemoteFolder:
    """A folder behind an fsspec URL, as in ``s3://bucket/market``; what is read is kept in `cache`."""

    def __init__(self, url: str, cache: Path, **options: Any) -> None:
        import fsspec  # type: ignore[import-untyped]  # has no types

        try:
            self._files, self._root = fsspec.core.url_to_fs(url, **options)
        except (ValueError, ImportError) as error:
            raise BadInputError(
                f"expected a folder or a URL like s3://bucket/folder, found {url!r}: {error}"
            ) from None
        self.url = url
        self._cache = cache / hashlib.sha256(url.encode()).hexdigest()[:16]

    def write(self, name: str, data: Data) -> None:
        """See `Folder`; one request, which the other side carries out whole or not at all."""
        view = memoryview(data).cast("B")
        with suppress(FileNotFoundError):
            found = self._files.info(self._at(name))
            if found["size"] == view.nbytes and _age(found) < _FRESH_S:
                return
        self._files.makedirs(self._at(name).rpartition("/")[0], exist_ok=True)
        self._files.pipe_file(self._at(name), bytes(view))

    def path(self, name: str) -> Path:
        """See `Folder`."""
        path = self._cache / name
        if not path.exists():
            with suppress(FileNotFoundError):
                write_durably(path, self._files.cat_file(self._at(name)))
        return path

    def fetch(self, names: Sequence[str]) -> None:
        """Copy what is missing here, many at a time."""
        missing = {self._at(name): name for name in names if not (self._cache / name).exists()}
        if len(missing) < 2:
            return
        found = self._files.cat(list(missing), on_error="omit")
        for remote, data in found.items():
            write_durably(self._cache / missing[remote], data)

    def forget(self, name: str) -> None:
        """See `Folder`."""
        (self._cache / name).unlink(missing_ok=True)

    def names(self) -> Iterator[tuple[str, int, float]]:
        """See `Folder`."""
        self._files.invalidate_cache()
        with suppress(FileNotFoundError):
            for path, found in self._files.find(self._root, detail=True).items():
                yield path[len(self._root) :].lstrip("/"), int(found["size"]), _age(found)

    def delete(self, name: str) -> None:
        """See `Folder`."""
        with suppress(FileNotFoundError):
            self._files.rm_file(self._at(name))
        self.forget(name)

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}"


def open_folder(root: Path | str, *, cache: Path, **options: Any) -> Folder:
    """The folder at a path or an fsspec URL."""
    if isinstance(root, str) and "://" in root:
        if not root.startswith("file://"):
            return RemoteFolder(root.rstrip("/"), cache, **options)
        root = root.removeprefix("file://")
    return LocalFolder(Path(root))


def write_durably(path: Path, data: Data) -> None:
    """Write `data` at `path`: a file of another name first, flushed to the disk, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=_WRITING, suffix=path.suffix)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        os.replace(name, path)
    except BaseException:  # Ctrl-C too: nothing is left behind
        Path(name).unlink(missing_ok=True)
        raise
    _flush_folder(path.parent)


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _age(found: dict[str, Any]) -> float:
    """Seconds since a remote file was written, as far as its server tells."""
    stamp = found.get("LastModified") or found.get("mtime") or found.get("created")
    if stamp is None:
        return 0.0
    return time.time() - (stamp.timestamp() if hasattr(stamp, "timestamp") else float(stamp))
