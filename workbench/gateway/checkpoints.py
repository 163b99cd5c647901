"""Signed heads of the journal, kept outside the store: a journal cut off at its end shows by them."""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from workbench.gateway.errors import DamagedStoreError

__all__ = ["Checkpoint", "CheckpointFile", "read_checkpoints", "signing_key", "verify_key"]


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The journal's head at a moment, signed by the gateway."""

    seq: int
    hash: str
    created_ns: int
    signature: str  # Ed25519 of "seq|hash|created_ns", hexadecimal


def signing_key(folder: Path) -> Ed25519PrivateKey:
    """The gateway's key in `folder`, made on first use (mode 0600; the public half beside it)."""
    path = folder / "gateway.key"
    if path.exists():
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(path.read_text().strip()))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()).hex()
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
    _write_new(folder / "gateway.pub", public, mode=0o644)
    _write_new(path, secret, mode=0o600)
    return key


def verify_key(folder: Path) -> Ed25519PublicKey:
    """The public half of the gateway's key in `folder`.

    Raises
    ------
    DamagedStoreError
        There is none.
    """
    path = folder / "gateway.pub"
    if not path.exists():
        raise DamagedStoreError(f"expected the gateway's public key at {path}, found none; restore it")
    return Ed25519PublicKey.from_public_bytes(bytes.fromhex(path.read_text().strip()))


class CheckpointFile:
    """Appends signed heads to a file, one JSON line each, each on disk before the call returns."""

    def __init__(self, path: Path, key: Ed25519PrivateKey) -> None:
        self._path = path
        self._key = key

    def write(self, *, seq: int, head: str, created_ns: int) -> Checkpoint:
        """Sign and append the head."""
        checkpoint = Checkpoint(
            seq=seq,
            hash=head,
            created_ns=created_ns,
            signature=self._key.sign(_text(seq, head, created_ns)).hex(),
        )
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(handle).st_size
            torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
            line = msgspec.json.encode(checkpoint) + b"\n"
            os.write(handle, b"\n" + line if torn else line)
            os.fsync(handle)
        finally:
            os.close(handle)
        return checkpoint


def read_checkpoints(path: Path, key: Ed25519PublicKey) -> tuple[Checkpoint, ...]:
    """The checkpoints in a file, their signatures checked; none when there is no file.

    A line that a crash cut short is passed over; a readable line with a wrong signature is not.

    Raises
    ------
    DamagedStoreError
        A signature is not the gateway's.
    """
    return tuple(_read(path, key)) if path.exists() else ()


def _read(path: Path, key: Ed25519PublicKey) -> Iterator[Checkpoint]:
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            checkpoint = msgspec.json.decode(line, type=Checkpoint)
        except msgspec.DecodeError:
            continue
        try:
            key.verify(
                bytes.fromhex(checkpoint.signature),
                _text(checkpoint.seq, checkpoint.hash, checkpoint.created_ns),
            )
        except (InvalidSignature, ValueError):
            raise DamagedStoreError(
                f"{path}, line {number}: expected the gateway's signature, found another; "
                "the checkpoint was changed or the key replaced"
            ) from None
        yield checkpoint


def _text(seq: int, head: str, created_ns: int) -> bytes:
    return f"{seq}|{head}|{created_ns}".encode()


def _write_new(path: Path, text: str, *, mode: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        os.write(handle, text.encode() + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)
