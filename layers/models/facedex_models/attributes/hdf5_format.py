"""Reader of HDF5 files as Keras wrote them: groups and contiguous arrays of single floats.

The layout is that of version 0 of the file format, in which addresses and lengths have eight
bytes: https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t11.html. Everything else,
such as chunks, compression and attributes, is refused or ignored.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from facedex_models.model_errors import UnreadableModel

Floats = NDArray[np.float32]

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_ROOT = 64  # position of the root group's address, in the superblock
# Types of messages in an object's header.
_DATASPACE, _DATATYPE, _LAYOUT, _CONTINUATION, _SYMBOL_TABLE = 0x01, 0x03, 0x08, 0x10, 0x11
_FLOAT = 1  # class of a datatype
_CONTIGUOUS = 1  # class of a layout


def read_arrays(data: bytes, folder: str) -> Mapping[str, Floats]:
    """Return the arrays below a group of the root group, by their path in that group.

    Raises:
        UnreadableModel: if `data` is not such a file or has no such group.
    """
    if not data.startswith(_SIGNATURE) or data[8]:
        raise UnreadableModel("The file is not an HDF5 file of version 0.")
    try:
        root = struct.unpack_from("<Q", data, _ROOT)[0]
        for name, address in _members(data, _messages(data, root)):
            if name == folder:
                return dict(_arrays(data, address, ""))
    except (struct.error, ValueError, IndexError, RecursionError) as error:
        raise UnreadableModel(f"The HDF5 file is damaged: {error}.") from error
    raise UnreadableModel(f"The HDF5 file has no group {folder!r}.")


def _arrays(data: bytes, address: int, path: str) -> Iterator[tuple[str, Floats]]:
    messages = _messages(data, address)
    if _SYMBOL_TABLE not in messages:
        yield path, _array(data, messages)
        return
    for name, member in _members(data, messages):
        yield from _arrays(data, member, f"{path}/{name}" if path else name)


def _messages(data: bytes, address: int) -> dict[int, int]:
    """Return the positions of an object's messages, by their type."""
    version, count, size = struct.unpack_from("<BxH4xI", data, address)
    if version != 1:
        raise UnreadableModel("The HDF5 file has an object header of another version.")
    blocks = [(address + 16, size)]
    found: dict[int, int] = {}
    while blocks and count:
        place, size = blocks.pop(0)
        end = place + size
        while place < end and count:
            kind, length = struct.unpack_from("<HH", data, place)
            place, count = place + 8, count - 1
            if kind == _CONTINUATION:
                blocks.append(struct.unpack_from("<QQ", data, place))
            found.setdefault(kind, place)
            place += length
    return found


def _members(data: bytes, messages: Mapping[int, int]) -> Iterator[tuple[str, int]]:
    """Return a group's members: their names and the addresses of their headers."""
    tree, heap = struct.unpack_from("<QQ", data, messages.get(_SYMBOL_TABLE, len(data)))
    names = struct.unpack_from("<Q", data, heap + 24)[0]
    nodes = [tree]
    while nodes:
        node = nodes.pop()
        if data[node : node + 4] == b"TREE":
            count = struct.unpack_from("<H", data, node + 6)[0]
            # Keys and children alternate.
            nodes += struct.unpack_from("<" + "8xQ" * count, data, node + 24)
            continue
        for entry in range(struct.unpack_from("<H", data, node + 6)[0]):
            name, header = struct.unpack_from("<QQ", data, node + 8 + 40 * entry)
            start = names + name
            yield data[start : data.index(0, start)].decode(), header


def _array(data: bytes, messages: Mapping[int, int]) -> Floats:
    if not {_DATASPACE, _DATATYPE, _LAYOUT} <= messages.keys():
        raise UnreadableModel("The HDF5 file has an object that is no group and no array.")
    kind, width = struct.unpack_from("<B3xI", data, messages[_DATATYPE])
    version, layout, start = struct.unpack_from("<BBQ", data, messages[_LAYOUT])
    if (kind & 15, width, version, layout) != (_FLOAT, 4, 3, _CONTIGUOUS):
        raise UnreadableModel("The HDF5 file has an array that is not of plain single floats.")
    rank = data[messages[_DATASPACE] + 1]
    shape = struct.unpack_from(f"<{rank}Q", data, messages[_DATASPACE] + 8)
    return np.frombuffer(data, "<f4", math.prod(shape), start).reshape(shape)
