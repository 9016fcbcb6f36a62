"""An import reads only regular files, and only a limited number of bytes of each."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from facedex_cli.importing.import_errors import TooLarge
from facedex_cli.importing.photos import Folder, Photo


def test_only_regular_files_are_read_also_through_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.jpg")
    Path("linked pipe.jpg").symlink_to("pipe.jpg")
    Path("zeros.jpg").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket.jpg")
        Path("photo.jpg").write_bytes(b"")
        Path("linked photo.jpg").symlink_to("photo.jpg")
        found = [photo for photo in Folder(tmp_path).find() if isinstance(photo, Photo)]
    assert [photo.relative for photo in found] == ["linked photo.jpg", "photo.jpg"]


def test_a_link_to_the_imported_folder_does_not_list_its_photos_again(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("ann.jpg", "a/bob.jpg"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "a" / "all").symlink_to(tmp_path)
    found = [photo.relative for photo in Folder(tmp_path).find() if isinstance(photo, Photo)]
    assert found == ["ann.jpg", "a/bob.jpg"]


def test_a_file_that_is_larger_than_any_photo_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.jpg"
    path.write_bytes(b"\xff\xd8\xff")
    os.truncate(path, 200_000_001)
    folder = Folder(tmp_path)
    (photo,) = folder.find()
    assert isinstance(photo, Photo)
    with pytest.raises(TooLarge, match="200000001 bytes"):
        folder.prepare(photo)


def test_hidden_files_and_system_folders_are_excluded_and_counted(tmp_path: Path) -> None:
    thumbnail, deleted = "@eaDir/ann.jpg/thumb.jpg", "#Recycle/old.jpg"
    for name in ("ann.jpg", ".hidden.jpg", thumbnail, deleted, "b/@1.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    folder, everything = Folder(tmp_path), Folder(tmp_path, everything=True)
    for _ in range(2):
        found = [photo.relative for photo in folder.find() if isinstance(photo, Photo)]
        assert found == ["ann.jpg", "b/@1.jpg"]
        assert folder.excluded == 3
    assert len(list(everything.find())) == 5
    assert everything.excluded == 0
