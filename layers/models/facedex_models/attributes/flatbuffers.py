"""Reader of FlatBuffers, the container of TFLite files.

A table begins with the distance to its vtable, which lists the position of each field in the
table; a field that the file omits has the position 0 and its default value. See
https://flatbuffers.dev/internals/.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Table:
    """A table of a FlatBuffers file; fields are numbered as in the schema.

    Reading raises struct.error or ValueError if the file is too short or altered.
    """

    data: bytes
    start: int

    @classmethod
    def root(cls, data: bytes) -> Table:
        """Return the outermost table of a file."""
        return cls(data, struct.unpack_from("<I", data)[0])

    def integer(self, field: int, form: str = "i", default: int = 0) -> int:
        """Return a field that is a number; `form` is its format in the struct module."""
        place = self._place(field)
        if not place:
            return default
        value: int = struct.unpack_from(f"<{form}", self.data, place)[0]
        return value

    def table(self, field: int) -> Table | None:
        """Return a field that is a table, or None if the file omits it."""
        place = self._place(field)
        return Table(self.data, self._follow(place)) if place else None

    def tables(self, field: int) -> Sequence[Table]:
        """Return a field that is a vector of tables."""
        start, count = self._vector(field)
        places = range(start, start + 4 * count, 4)
        return [Table(self.data, self._follow(place)) for place in places]

    def integers(self, field: int) -> list[int]:
        """Return a field that is a vector of 32-bit integers."""
        start, count = self._vector(field)
        return list(struct.unpack_from(f"<{count}i", self.data, start)) if count else []

    def bytes(self, field: int) -> NDArray[np.uint8]:
        """Return a field that is a vector of bytes."""
        start, count = self._vector(field)
        return np.frombuffer(self.data, np.uint8, count, start)

    def _place(self, field: int) -> int:
        """Return the position of a field, or 0 if the file omits it."""
        vtable = self.start - struct.unpack_from("<i", self.data, self.start)[0]
        entry = 4 + 2 * field
        if entry >= struct.unpack_from("<H", self.data, vtable)[0]:
            return 0
        offset: int = struct.unpack_from("<H", self.data, vtable + entry)[0]
        return self.start + offset if offset else 0

    def _follow(self, place: int) -> int:
        target: int = place + struct.unpack_from("<I", self.data, place)[0]
        return target

    def _vector(self, field: int) -> tuple[int, int]:
        """Return the position of a vector's first element and their number."""
        place = self._place(field)
        if not place:
            return 0, 0
        vector = self._follow(place)
        return vector + 4, struct.unpack_from("<I", self.data, vector)[0]
