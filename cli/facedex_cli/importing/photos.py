"""Photos of a folder or an S3 bucket: listed, distinguished from other files, made to fit."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from facedex.api.naming import is_excluded, is_excluded_path, relative_key, root_name
from facedex.vision.images import FORMATS
from facedex_cli.importing.import_errors import NotAnImage, TooLarge
from facedex_cli.importing.reducing import is_accepted, reduce

if TYPE_CHECKING:
    from mypy_boto3_rekognition.type_defs import ImageTypeDef
    from mypy_boto3_s3 import S3Client

_MAGIC: Final = max(map(len, FORMATS))
_MAX_READ: Final = 200_000_000  # bytes of a file; a photo of 100 megapixels has fewer


@dataclass(frozen=True, slots=True)
class Photo:
    """A file that may be a photo.

    Attributes:
        place: its absolute path, or its ``s3://`` URL.
        relative: its path relative to the imported folder or prefix, with slashes.
        version: a text that changes with its content.
        size: in bytes.
    """

    place: str
    relative: str
    version: str
    size: int


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A folder that cannot be listed.

    Attributes:
        place: its absolute path.
        message: the reason.
    """

    place: str
    message: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """A photo as sent to IndexFaces.

    Attributes:
        image: the request's ``Image``.
        smaller: whether it was reduced in size to fit into a request.
    """

    image: ImageTypeDef
    smaller: bool = False


class Source(Protocol):
    """A source of photos.

    Attributes:
        name: name of the outermost folder.
        excluded: number of hidden files, and of hidden folders and system folders, that the last
            call of `find` has excluded.
    """

    name: str
    excluded: int

    def find(self) -> Iterator[Photo | Unreadable]:
        """Yield the files in the order of the paths, without those that are excluded."""
        ...

    def prepare(self, photo: Photo) -> Prepared:
        """Return the photo as sent to IndexFaces.

        Raises:
            NotAnImage: if the file is neither JPEG nor PNG.
            InvalidImage: if the photo has to be reduced and is damaged.
            ImageTooLarge: if the photo has to be reduced and has too many pixels to be decoded.
            TooLarge: if the photo cannot be reduced enough.
            OSError: if the file cannot be read.
        """
        ...

    def read(self, photo: Photo) -> bytes:
        """Return the photo's bytes, unchanged.

        Raises:
            NotAnImage: if the file is neither JPEG nor PNG.
            TooLarge: if the file exceeds the maximum size.
            OSError, BotoCoreError, ClientError: if the file cannot be read.
        """
        ...

    def looks_like_image(self, photo: Photo) -> bool:
        """Return whether a rejected file begins like a JPEG or PNG."""
        ...


class Folder:
    """A folder and its subfolders.

    Args:
        root: the folder.
        everything: whether hidden files, hidden folders and system folders are included.
    """

    def __init__(self, root: Path, *, everything: bool = False) -> None:
        self._root = root.resolve()
        self._everything = everything
        self.name = self._root.name
        self.excluded = 0

    def find(self) -> Iterator[Photo | Unreadable]:
        """Yield the files.

        Symbolic links are followed, and each folder is listed once. Pipes, sockets and devices are
        ignored.
        """
        self.excluded = 0
        failures: list[OSError] = []
        seen: set[tuple[int, int]] = set()
        _first_time(self._root, seen)
        for folder, folders, files in os.walk(
            self._root, followlinks=True, onerror=failures.append
        ):
            here = Path(folder)
            folders[:] = [
                name
                for name in sorted(folders)
                if self._includes(name, folder=True) and _first_time(here / name, seen)
            ]
            names = [name for name in sorted(files) if self._includes(name)]
            yield from self._photos(here, names)
        for failure in failures:
            yield Unreadable(str(failure.filename), failure.strerror or str(failure))

    def _includes(self, name: str, *, folder: bool = False) -> bool:
        included = self._everything or not is_excluded(name, folder=folder)
        self.excluded += not included
        return included

    def _photos(self, folder: Path, names: list[str]) -> Iterator[Photo | Unreadable]:
        for name in names:
            path = folder / name
            try:
                found = path.stat()
            except OSError as error:
                yield Unreadable(str(path), error.strerror or str(error))
                continue
            if not stat.S_ISREG(found.st_mode):
                continue  # reading a pipe could block for ever
            relative = path.relative_to(self._root).as_posix()
            version = f"{found.st_size}-{found.st_mtime_ns}"
            yield Photo(str(path), relative, version, found.st_size)

    def prepare(self, photo: Photo) -> Prepared:
        """Return the file's bytes; reduce the photo if it does not fit into a request.

        Raises:
            TooLarge: also if the file exceeds the maximum size.
        """
        data = self.read(photo)
        if not is_accepted(data):
            return Prepared({"Bytes": reduce(data)}, smaller=True)
        return Prepared({"Bytes": data})

    def read(self, photo: Photo) -> bytes:
        """Return the file's bytes."""
        with Path(photo.place).open("rb") as file:
            start = file.read(_MAGIC)
            _require_image(photo, start)
            _require_size(os.fstat(file.fileno()).st_size)
            return start + file.read(_MAX_READ)

    def looks_like_image(self, _photo: Photo) -> bool:
        """Return True: other files are not sent."""
        return True


class Bucket:
    """The objects of an S3 bucket whose keys begin with a prefix.

    Args:
        client: a client of S3.
        bucket: name of the bucket.
        prefix: the prefix.
        everything: whether hidden objects, and those in hidden folders and system folders, are
            included.
    """

    def __init__(
        self, client: S3Client, bucket: str, prefix: str, *, everything: bool = False
    ) -> None:
        self._client = client
        self._everything = everything
        self._bucket = bucket
        self._prefix = prefix
        self.name = root_name(bucket, prefix)
        self.excluded = 0

    def find(self) -> Iterator[Photo | Unreadable]:
        """Yield the objects, except the markers of empty folders."""
        self.excluded = 0
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._prefix
        )
        for page in pages:
            for found in page.get("Contents", []):
                key = found["Key"]
                relative = relative_key(key, self._prefix)
                if key.endswith("/"):
                    continue
                if is_excluded_path(relative) and not self._everything:
                    self.excluded += 1
                    continue
                place = f"s3://{self._bucket}/{key}"
                yield Photo(place, relative, found["ETag"], found["Size"])

    def prepare(self, photo: Photo) -> Prepared:
        """Return a reference to the object; the server reads it from S3."""
        return Prepared({"S3Object": {"Bucket": self._bucket, "Name": self._key(photo)}})

    def looks_like_image(self, photo: Photo) -> bool:
        """Return whether the object begins like a JPEG or PNG."""
        if photo.size == 0:
            return False
        start: Any = self._client.get_object(
            Bucket=self._bucket, Key=self._key(photo), Range=f"bytes=0-{_MAGIC - 1}"
        )["Body"]
        return _is_image(start.read())

    def read(self, photo: Photo) -> bytes:
        """Return the object's bytes."""
        _require_size(photo.size)
        found = self._client.get_object(Bucket=self._bucket, Key=self._key(photo))
        data: bytes = found["Body"].read()
        _require_image(photo, data)
        return data

    def _key(self, photo: Photo) -> str:
        return photo.place.removeprefix(f"s3://{self._bucket}/")


def _require_image(photo: Photo, start: bytes) -> None:
    if not _is_image(start):
        raise NotAnImage(f"{photo.place} is neither JPEG nor PNG.")


def _require_size(size: int) -> None:
    if size > _MAX_READ:
        raise TooLarge(f"It has {size} bytes; a photo may have at most {_MAX_READ}.")


def _is_image(start: bytes) -> bool:
    return start.startswith(tuple(FORMATS))


def _first_time(folder: Path, seen: set[tuple[int, int]]) -> bool:
    """Record a folder, and return False if it was recorded before, as in a cycle of links."""
    try:
        found = folder.stat()
    except OSError:
        return True  # listing it will report the error
    place = found.st_dev, found.st_ino
    if place in seen:
        return False
    seen.add(place)
    return True
