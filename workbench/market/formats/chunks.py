"""The bytes of a file, plain or packed, as a stream that refuses what is no honest file of quotes.

zip, gzip, bzip2 and xz/lzma are unpacked while they are read. A packed file that holds far more than
quotes can shrink by, one that breaks off, and one that changes while it is read are errors.
"""

import bz2
import codecs
import gzip
import lzma
import os
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, cast

from workbench.errors import BadInputError
from workbench.market.errors import (
    ArchiveTooLargeError,
    ChangedWhileReadError,
    TruncatedFileError,
    UnknownFormatError,
)

__all__ = ["HEAD_BYTES", "ByteStream", "plain_name", "read_all"]

HEAD_BYTES = 65_536
_MOST_RATIO = 300  # ticks that never change shrink to about a hundredth
_FREE_BYTES = 64 << 20  # below this the ratio does not matter
_MOST_BYTES = 1 << 40
_PACKED = {".zip": "zip", ".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".lzma": "xz"}
_MAGIC = ((b"PK\x03\x04", "zip"), (b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\x00", "xz"))
_BOMS = ((codecs.BOM_UTF8, ""), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_UNPACKING = (zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError)


class ByteStream:
    """The unpacked bytes of one file; a byte order mark is taken off and UTF-16 becomes UTF-8.

    Parameters
    ----------
    progress
        Called with the bytes of the file on disk taken in since the last call.
    text
        Whether to look for a byte order mark.
    """

    def __init__(
        self, path: Path, *, progress: Callable[[int], None] | None = None, text: bool = True
    ) -> None:
        self.path = path
        self.name = path.name
        self.inner = path.name  # the packed file's own name, where the archive tells
        self.encoding = ""  # "utf-16-le" or "utf-16-be" when it was that
        self._progress, self._reported, self._given = progress, 0, 0
        if not path.is_file():
            what = "a folder" if path.is_dir() else "no such file"
            raise BadInputError(f"{path}: expected a file with quotes, found {what}")
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise BadInputError(f"{path}: it can not be opened: {error.strerror}") from None
        self._archive: zipfile.ZipFile | None = None
        try:
            self._stat = os.fstat(self._file.fileno())
            self.size = self._stat.st_size
            self._packing = self._found_packing()
            self._stream = self._unpacked()
            self._ahead = b""
            self._decoder: codecs.IncrementalDecoder | None = None
            if text:
                self._take_mark()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "ByteStream":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def packed(self) -> bool:
        """Whether the file is an archive or compressed."""
        return self._packing != ""

    def close(self) -> None:
        """Let the file go."""
        with suppress(OSError, ValueError):
            if self._archive is not None:
                self._archive.close()
        self._file.close()

    def read(self, count: int) -> bytes:
        """The next bytes, at most `count` of the file's; none at its end.

        Raises
        ------
        TruncatedFileError, ArchiveTooLargeError, ChangedWhileReadError
            The file ends too early, holds too much, or is not what it was when it was opened.
        """
        while True:
            raw, self._ahead = self._ahead or self._next(count), b""
            if self._decoder is None:
                return raw
            try:
                text: str = self._decoder.decode(raw, final=not raw)
            except UnicodeDecodeError as error:
                raise UnknownFormatError(
                    f"{self.name}: expected {self.encoding} text as its first bytes say, found {error.reason}"
                ) from None
            if text or not raw:
                return text.encode("utf-8", "replace")

    def refuse_change(self, line: int | None = None) -> None:
        """Raise when the file is no longer the one that was opened."""
        now = os.fstat(self._file.fileno())
        with suppress(FileNotFoundError):
            there = self.path.stat()
            if (there.st_dev, there.st_ino) == (now.st_dev, now.st_ino):
                now = there
        if (now.st_size, now.st_mtime_ns) == (self._stat.st_size, self._stat.st_mtime_ns):
            return
        place = self.name if line is None else f"{self.name}, line {line}"
        raise ChangedWhileReadError(
            f"{place}: the file had {self.size:,} bytes when it was opened and has {now.st_size:,} now; "
            "import it again when nobody writes to it"
        )

    def _next(self, count: int) -> bytes:
        if self._packing == "":
            count = min(count, self.size - self._given)  # what is written behind our back is not read
        try:
            data = self._stream.read(count) if count else b""
        except _UNPACKING as error:
            self.refuse_change()
            raise TruncatedFileError(
                f"{self.name}: expected a whole {self._packing or 'file'}, found it broken after "
                f"{self._given:,} unpacked bytes ({error}); fetch or pack it again"
            ) from None
        self._given += len(data)
        position = self._file.tell()
        if self._packing and self._given > max(_FREE_BYTES, _MOST_RATIO * max(position, 1)):
            raise ArchiveTooLargeError(
                f"{self.name}: expected quotes, which shrink to a hundredth at best; found more than "
                f"{self._given:,} bytes in {position:,} packed ones; unpack it yourself if you trust it"
            )
        if self._packing == "" and not data and self._given < self.size:
            self.refuse_change()
        if self._progress is not None:
            at = self.size if not data else min(position, self.size)
            if at > self._reported:
                self._progress(at - self._reported)
                self._reported = at
        return data

    def _found_packing(self) -> str:
        start = self._file.read(6)
        self._file.seek(0)
        found = next((name for magic, name in _MAGIC if start.startswith(magic)), "")
        stated = _PACKED.get(self.path.suffix.lower(), "")
        if stated == found or (stated == "xz" and self.path.suffix.lower() == ".lzma"):
            return stated
        if stated and start:
            raise UnknownFormatError(
                f"{self.name}: expected a {stated} archive by its name, found "
                f"{found or 'something else'}; rename it or fetch it again"
            )
        return found or stated

    def _unpacked(self) -> IO[bytes]:
        if self._packing == "zip":
            return self._member()
        if self._packing == "gzip":
            return cast("IO[bytes]", gzip.GzipFile(fileobj=self._file))
        if self._packing == "bzip2":
            return cast("IO[bytes]", bz2.BZ2File(self._file))
        if self._packing == "xz":
            return cast("IO[bytes]", lzma.LZMAFile(self._file))
        return self._file

    def _member(self) -> IO[bytes]:
        try:
            self._archive = zipfile.ZipFile(self._file)
            members = [item for item in self._archive.infolist() if not item.is_dir()]
        except (zipfile.BadZipFile, EOFError, OSError, ValueError) as error:
            raise TruncatedFileError(
                f"{self.name}: expected a zip archive, found a broken one ({error}); fetch it again"
            ) from None
        if len(members) != 1:
            raise UnknownFormatError(
                f"{self.name}: expected one file in the archive, found {len(members)}; unpack it and import "
                "the file with the quotes"
            )
        (member,) = members
        self.inner = Path(member.filename).name
        if member.file_size > _MOST_BYTES or (
            member.file_size > max(_FREE_BYTES, _MOST_RATIO * max(member.compress_size, 1))
        ):
            raise ArchiveTooLargeError(
                f"{self.name}: expected quotes, which shrink to a hundredth at best; found "
                f"{member.file_size:,} bytes packed into {member.compress_size:,}; unpack it yourself if you "
                "trust it"
            )
        try:
            return self._archive.open(member)
        except (RuntimeError, NotImplementedError, zipfile.BadZipFile, OSError, ValueError) as error:
            raise UnknownFormatError(f"{self.name}: this zip archive can not be read: {error}") from None

    def _take_mark(self) -> None:
        while len(self._ahead) < 4:  # a short first read must not hide the mark
            more = self._next(HEAD_BYTES)
            if not more:
                break
            self._ahead += more
        for mark, encoding in _BOMS:
            if self._ahead.startswith(mark):
                self._ahead = self._ahead[len(mark) :]
                if encoding:
                    self.encoding = encoding
                    self._decoder = codecs.getincrementaldecoder(encoding)()
                return


def read_all(path: Path, *, most: int, progress: Callable[[int], None] | None = None) -> bytes:
    """All of a file that has to be read as a whole, such as JSON.

    Raises
    ------
    ArchiveTooLargeError
        It is larger than `most` bytes.
    """
    parts = []
    held = 0
    with ByteStream(path, progress=progress) as stream:
        while part := stream.read(1 << 20):
            held += len(part)
            if held > most:
                raise ArchiveTooLargeError(
                    f"{path.name}: expected at most {most:,} bytes, found more; split it into pages"
                )
            parts.append(part)
        stream.refuse_change()
    return b"".join(parts)


def plain_name(name: str) -> str:
    """A file's name without the suffix of its packing."""
    stem, suffix = os.path.splitext(name)
    return stem if suffix.lower() in _PACKED else name
