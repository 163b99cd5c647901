"""A release on disk: a folder named by the SHA-256 of its manifest, which names the SHA-256 of every file.

A bundle is written aside, made read-only and moved into place in one step; it is never changed again.
"""

import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.release.errors import ReleaseNotFoundError, TamperedReleaseError
from workbench.release.keys import SigningKey

__all__ = [
    "COST_BOOK",
    "ENVIRONMENT",
    "EXECUTED",
    "MANIFEST",
    "NOTEBOOK",
    "SIGNATURE",
    "STRATEGY",
    "canonical",
    "read_bundle",
    "write_bundle",
]

MANIFEST = "manifest.json"
SIGNATURE = "signature"
NOTEBOOK = "notebook.ipynb"
EXECUTED = "executed.ipynb"  # what the notebook showed when it was reproduced
ENVIRONMENT = "requirements.lock"
COST_BOOK = "cost_book.json"
STRATEGY = "strategy.json"

_HEXADECIMAL = frozenset("0123456789abcdef")


def canonical(value: Mapping[str, Any]) -> bytes:
    """The one spelling of a JSON value: sorted names, no spaces, a newline at the end."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()


def write_bundle(
    releases_dir: Path, *, manifest: Mapping[str, Any], files: Mapping[str, bytes], key: SigningKey
) -> tuple[str, str]:
    """Write a bundle; its id and signature.

    Parameters
    ----------
    manifest
        Everything about the release but its files, which are added here.
    files
        Content by name.
    """
    listed = {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        for name, content in files.items()
    }
    text = canonical({**manifest, "files": listed})
    release_id = hashlib.sha256(text).hexdigest()
    signature = key.sign(text)
    releases_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=".writing-", dir=releases_dir))
    try:
        for name, content in {**files, MANIFEST: text, SIGNATURE: signature.encode()}.items():
            _write(aside / name, content)
        aside.chmod(0o555)
        _sync_folder(aside)
        os.rename(aside, releases_dir / release_id)
    except BaseException:
        aside.chmod(0o700)
        shutil.rmtree(aside)
        raise
    _sync_folder(releases_dir)
    return release_id, signature


def read_bundle(releases_dir: Path, release_id: str, *, key: SigningKey) -> tuple[dict[str, Any], str]:
    """The manifest and the signature of a bundle, after every byte of it was checked.

    Raises
    ------
    ReleaseNotFoundError
        There is no such bundle.
    TamperedReleaseError
        A file is altered, missing or extra, or the signature is not this home's; the message names the file.
    """
    folder = releases_dir / release_id
    if len(release_id) != 64 or set(release_id) - _HEXADECIMAL or not folder.is_dir():
        raise ReleaseNotFoundError(
            f"expected a release {release_id!r} in {releases_dir}, found none; see `workbench releases`"
        )
    for entry in sorted(folder.iterdir()):  # before any is read: no link, no pipe, no folder
        if not stat.S_ISREG(entry.lstat().st_mode):
            raise _tampered(release_id, entry.name, "is not a plain file")
    text = _read(folder, MANIFEST, release_id=release_id)
    if hashlib.sha256(text).hexdigest() != release_id:
        raise _tampered(release_id, MANIFEST, "was altered: its SHA-256 is not the release's id")
    signature = _read(folder, SIGNATURE, release_id=release_id).decode("ascii", errors="replace")
    if not key.verifies(text, signature):
        raise _tampered(release_id, SIGNATURE, "is not this workbench's for this manifest")
    manifest: dict[str, Any] = json.loads(text)
    listed: dict[str, Any] = manifest["files"]
    for name, entry_ in listed.items():
        found = hashlib.sha256(_read(folder, name, release_id=release_id)).hexdigest()
        if found != entry_["sha256"]:
            raise _tampered(
                release_id, name, f"was altered: SHA-256 {entry_['sha256']} expected, {found} found"
            )
    for entry in sorted(folder.iterdir()):
        if entry.name not in listed and entry.name not in (MANIFEST, SIGNATURE):
            raise _tampered(release_id, entry.name, "is extra: the manifest does not name it")
    return manifest, signature


def _read(folder: Path, name: str, *, release_id: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except FileNotFoundError:
        raise _tampered(release_id, name, "is missing") from None


def _tampered(release_id: str, name: str, what: str) -> TamperedReleaseError:
    return TamperedReleaseError(
        f"release {release_id[:12]}: {name} {what}; do not use this release, promote the run again", file=name
    )


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    path.chmod(0o444)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
