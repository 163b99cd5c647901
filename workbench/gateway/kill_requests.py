"""Kills as files: in force from the instant one is there, whatever process lives, hangs or waits for a disk.

A person's tool writes the file before it asks the gateway, and the gateway removes it when the kill is in
its store. Between the two the file alone holds: no order is sent while it is there, and a gateway that was
not running when it was written starts killed.
"""

import contextlib
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

import msgspec

__all__ = ["KillRequest", "KillRequests", "is_kill_scope"]

_SCOPE = re.compile(r"all|(?:account|deployment):[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SUFFIX = ".kill"


def is_kill_scope(scope: str) -> bool:
    """Whether it is ``all``, ``account:ID`` or ``deployment:ID``."""
    return _SCOPE.fullmatch(scope) is not None


class KillRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Who wants what blocked."""

    scope: str
    by: str
    role: str
    reason: str
    created_ns: int  # the wall clock of whoever wrote it


class KillRequests:
    """The kills of one home that are not in its gateway's store yet.

    Parameters
    ----------
    folder
        Where the files lie; made when it is not there.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._read: dict[str, KillRequest] = {}

    def add(self, request: KillRequest) -> str:
        """Write a request durably; its name.

        Raises
        ------
        OSError
            The disk did not take it: it is not in force.
        """
        name = f"{request.created_ns}-{secrets.token_hex(8)}{_SUFFIX}"
        aside = self._folder / f".{name}"
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(handle, msgspec.json.encode(request))
            os.fsync(handle)
        except OSError:
            aside.unlink(missing_ok=True)
            raise
        finally:
            os.close(handle)
        aside.rename(self._folder / name)
        self._sync_folder()
        return name

    def remove(self, name: str) -> None:
        """Drop a request that the store has now; nothing when it is gone already."""
        if Path(name).name != name or not name.endswith(_SUFFIX):
            return
        (self._folder / name).unlink(missing_ok=True)
        self._read.pop(name, None)

    def pending(self) -> Mapping[str, KillRequest]:
        """The requests by name, the oldest first; one that can not be read is a kill of everything.

        Cheap enough to be asked before each order: one look into a folder that is empty nearly always.
        """
        try:
            names = sorted(name for name in os.listdir(self._folder) if _is_request(name))
        except OSError:
            return {"": _unreadable("the folder of kill requests", "can not be read")}
        if not names:
            self._read.clear()
            return {}
        self._read = {name: self._read.get(name) or self._parsed(name) for name in names}
        return dict(self._read)

    def scopes(self) -> set[str]:
        """What the requests cover."""
        return {item.scope for item in self.pending().values()}

    def _parsed(self, name: str) -> KillRequest:
        try:
            found = msgspec.json.decode((self._folder / name).read_bytes(), type=KillRequest)
        except FileNotFoundError:
            return _unreadable(name, "went away while it was read")  # gone again at the next look
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            return _unreadable(name, f"can not be read: {error}")
        return found if is_kill_scope(found.scope) else _unreadable(name, f"has the scope {found.scope!r}")

    def _sync_folder(self) -> None:
        handle = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with contextlib.suppress(OSError):  # some file systems know no fsync of folders
                os.fsync(handle)
        finally:
            os.close(handle)


def _is_request(name: str) -> bool:
    return name.endswith(_SUFFIX) and not name.startswith(".")


def _unreadable(name: str, why: str) -> KillRequest:
    return KillRequest(
        scope="all",
        by="",
        role="admin",
        reason=f"kill request {name} {why}: everything is blocked",
        created_ns=0,
    )
