"""A bundle can not be changed by one byte without being refused by name, and is never half there."""

import json
import os
import stat
from pathlib import Path

import pytest
import sqlalchemy as sa

import workbench.release.bundle as bundle
from tests.release.conftest import LIMITS, manifest_of
from workbench.release import (
    Release,
    ReleaseNotFoundError,
    SigningKeyError,
    TamperedReleaseError,
    find_release_id,
    list_releases,
    load_release,
)
from workbench.release.keys import signing_key
from workbench.settings import Settings
from workbench.store import open_store
from workbench.store.schema import releases


def _loads(release: Release, home: Settings) -> Release:
    return load_release(release.id, settings=home)


def test_a_release_is_read_back_as_it_was_written(home: Settings, release: Release) -> None:
    found = _loads(release, home)
    assert found == release
    assert found.parameters == {"fast": 4, "share": 0.1}
    assert found.fingerprints == {"EUR_USD": "cd" * 32}
    assert found.limits == LIMITS
    assert found.cost_book.version == release.manifest["cost_book_version"]
    assert found.spec["digest"] == found.spec_digest
    assert found.notebook.read_bytes().startswith(b"{")
    assert [item.id for item in list_releases(home)] == [release.id]
    assert find_release_id(release.id[:8], settings=home) == release.id


def _bytes_to_flip(path: Path) -> list[int]:
    """Every byte of small files, and every region of larger ones."""
    size = path.stat().st_size
    step = max(1, size // 120)
    return sorted({*range(0, size, step), 0, size - 1})


@pytest.mark.parametrize(
    "name", ["manifest.json", "signature", "notebook.ipynb", "requirements.lock", "strategy.json"]
)
def test_one_altered_byte_anywhere_names_the_file(home: Settings, release: Release, name: str) -> None:
    path = release.folder / name
    content = path.read_bytes()
    key = signing_key(home.keys_dir, "release")
    release.folder.chmod(0o755)
    path.chmod(0o644)
    for place in _bytes_to_flip(path):
        for bit in (0x01, 0x20, 0x80):
            altered = bytearray(content)
            altered[place] ^= bit
            path.write_bytes(altered)
            with pytest.raises(TamperedReleaseError, match=name.replace(".", r"\.")) as caught:
                bundle.read_bundle(home.releases_dir, release.id, key=key)
            assert caught.value.file == name
    path.write_bytes(content[:-1])
    with pytest.raises(TamperedReleaseError, match=name.replace(".", r"\.")):
        _loads(release, home)
    path.write_bytes(content + b"\n")
    with pytest.raises(TamperedReleaseError, match=name.replace(".", r"\.")):
        _loads(release, home)
    path.write_bytes(content)
    assert _loads(release, home) == release


@pytest.mark.parametrize("name", ["manifest.json", "signature", "notebook.ipynb", "strategy.json"])
def test_a_missing_file_is_named(home: Settings, release: Release, name: str) -> None:
    release.folder.chmod(0o755)
    (release.folder / name).unlink()
    with pytest.raises(TamperedReleaseError, match="is missing") as caught:
        _loads(release, home)
    assert caught.value.file == name


def test_an_extra_file_a_folder_and_a_link_are_named(home: Settings, release: Release) -> None:
    release.folder.chmod(0o755)
    extra = release.folder / "sitecustomize.py"
    extra.write_text("import os")
    with pytest.raises(TamperedReleaseError, match=r"sitecustomize\.py is extra"):
        _loads(release, home)
    extra.unlink()
    extra.mkdir()
    with pytest.raises(TamperedReleaseError, match="not a plain file"):
        _loads(release, home)
    extra.rmdir()
    notebook = release.folder / "notebook.ipynb"
    copy = home.home / "copy.ipynb"
    copy.write_bytes(notebook.read_bytes())
    notebook.unlink()
    notebook.symlink_to(copy)
    with pytest.raises(TamperedReleaseError, match="not a plain file"):
        _loads(release, home)


def test_a_bundle_signed_by_another_key_is_refused(home: Settings, release: Release, tmp_path: Path) -> None:
    other = signing_key(tmp_path / "other", "release")
    text = (release.folder / "manifest.json").read_bytes()
    (release.folder / "signature").chmod(0o644)
    for forged in (
        other.sign(text),
        signing_key(home.keys_dir, "approval").sign(text),
        release.signature.upper(),
    ):
        (release.folder / "signature").write_text(forged)
        with pytest.raises(TamperedReleaseError, match="signature is not this workbench's"):
            _loads(release, home)


def test_a_row_that_says_something_else_than_the_bundle_is_refused(home: Settings, release: Release) -> None:
    engine = open_store(home.store_url)
    with engine.begin() as connection:
        changed = {**release.manifest, "author": "david"}
        connection.execute(sa.update(releases).values(manifest=json.loads(json.dumps(changed))))
    engine.dispose()
    with pytest.raises(TamperedReleaseError, match="row in the store"):
        _loads(release, home)


@pytest.mark.parametrize("release_id", ["", "..", "0" * 64, "../../etc", "A" * 64])
def test_an_unknown_release_is_not_found(home: Settings, release_id: str) -> None:
    with pytest.raises(ReleaseNotFoundError, match="found none"):
        load_release(release_id, settings=home)
    with pytest.raises(ReleaseNotFoundError, match="found none"):
        find_release_id(release_id, settings=home)


def test_a_bundle_is_read_only_and_its_id_is_the_hash_of_its_content(
    home: Settings, release: Release
) -> None:
    assert stat.S_IMODE(release.folder.stat().st_mode) == 0o555
    assert {stat.S_IMODE(path.stat().st_mode) for path in release.folder.iterdir()} == {0o444}
    manifest = manifest_of()
    key = signing_key(home.keys_dir, "release")
    first = bundle.write_bundle(home.home / "one", manifest=manifest, files={"a": b"1"}, key=key)
    again = bundle.write_bundle(home.home / "two", manifest=manifest, files={"a": b"1"}, key=key)
    other = bundle.write_bundle(home.home / "two", manifest=manifest, files={"a": b"2"}, key=key)
    assert first == again
    assert other[0] != first[0]


def test_a_write_that_is_cut_off_leaves_nothing(
    home: Settings, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "rename", full_disk)
    key = signing_key(home.keys_dir, "release")
    with pytest.raises(OSError, match="No space"):
        bundle.write_bundle(home.releases_dir, manifest=manifest_of(), files={"a": b"1"}, key=key)
    assert [path.name for path in home.releases_dir.iterdir()] == [release.id]


def test_a_bundle_without_a_row_was_never_completed(home: Settings, release: Release) -> None:
    key = signing_key(home.keys_dir, "release")
    made, _ = bundle.write_bundle(home.releases_dir, manifest=manifest_of(), files={"a": b"1"}, key=key)
    with pytest.raises(ReleaseNotFoundError, match="never completed"):
        load_release(made, settings=home)


def test_keys_are_private_and_stay_the_same(home: Settings, release: Release) -> None:
    path = home.keys_dir / "release-signing.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.keys_dir.stat().st_mode) == 0o700
    assert signing_key(home.keys_dir, "release").verifies(
        b"x", signing_key(home.keys_dir, "release").sign(b"x")
    )
    path.chmod(0o644)
    with pytest.raises(SigningKeyError, match="mode 0600"):
        _loads(release, home)
    path.chmod(0o600)
    path.write_text("-----BEGIN PRIVATE KEY-----\nbroken\n-----END PRIVATE KEY-----\n")
    with pytest.raises(SigningKeyError, match="private key"):
        _loads(release, home)


def test_the_card_escapes_what_people_wrote(release: Release) -> None:
    card = release._repr_html_()
    assert "3 &lt;b&gt;cells&lt;/b&gt;" in card
    assert "64" in card
    assert "✓ Notebook complete" in str(release)
