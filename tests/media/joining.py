"""Files that lie about their film, or contain more than one: made from those of `making`."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Sequence
from typing import Any

import av

from tests.media import making

KEYS = {"g": "10", "keyint_min": "10", "sc_threshold": "0", "bf": "2"}
FRAMES = 60
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
# Its fragments state the positions of their pictures from the beginning of the file.
ABSOLUTE = {"movflags": "frag_keyframe+empty_moov"}
CLUSTER = b"\x1f\x43\xb6\x75"
_PACKET = 188  # bytes of a packet of MPEG-TS


def part(first: int = 0, *, start: int = 0, count: int = FRAMES, **options: Any) -> bytes:
    """Make a film of 25 frames a second that show their number, from `first` on."""
    show = making.numbered()
    if options.get("codec", "libx264") == "libx264":
        options.setdefault("codec_options", KEYS)
    else:
        options.setdefault("codec_options", {"g": "10"})
    return making.film(
        making.steady(count, 25, start), lambda number: show(number + first), **options
    )


def set_number(data: bytes, box: bytes, offset: int, value: int) -> bytes:
    """Return an MP4 in whose first box of that name a 32-bit number is replaced."""
    edited = bytearray(data)
    struct.pack_into(">I", edited, data.index(box) + offset, value)
    return bytes(edited)


def set_matroska_duration(data: bytes, milliseconds: float | None) -> bytes:
    """Return a Matroska file that declares another duration, or none."""
    at = data.index(b"\x44\x89\x88")
    if milliseconds is None:  # a Void element of the same size
        return data[:at] + b"\xec\x89" + bytes(9) + data[at + 11 :]
    return data[: at + 3] + struct.pack(">d", milliseconds) + data[at + 11 :]


def set_clusters_back(data: bytes, milliseconds: int) -> bytes:
    """Return a Matroska file whose clock goes back in the middle, at the start of a cluster."""
    places, at = [], -1
    while (at := data.find(CLUSTER, at + 1)) >= 0:
        places.append(at)
    edited = bytearray(data)
    for place in places[len(places) // 2 :]:
        time = data.index(b"\xe7", place)
        width = data[time + 1] & 0x7F
        field = slice(time + 2, time + 2 + width)
        value = int.from_bytes(data[field]) - milliseconds
        edited[field] = max(0, value).to_bytes(width)
    return bytes(edited)


def without_tables(data: bytes) -> bytes:
    """Return an MPEG-TS without its tables of programs, as after a restarted encoder."""
    packets = [data[at : at + _PACKET] for at in range(0, len(data), _PACKET)]
    return b"".join(
        each for each in packets if ((each[1] & 0x1F) << 8 | each[2]) not in (0, 0x11, 0x1000)
    )


def without_fragment(data: bytes, number: int) -> bytes:
    """Return a fragmented MP4 that lacks one fragment."""
    starts = [start for name, start, _ in making.boxes(data) if name == "moof"]
    return data[: starts[number]] + data[starts[number + 1] :]


def with_damaged_fragment(data: bytes, number: int) -> bytes:
    """Return a fragmented MP4 in which the index of one fragment has an unknown name."""
    starts = [start for name, start, _ in making.boxes(data) if name == "moof"]
    return data[: starts[number] + 4] + b"xxxx" + data[starts[number] + 8 :]


def with_hole(data: bytes, length: int) -> bytes:
    """Return a file in whose middle a number of bytes are zeros."""
    middle = len(data) // 2
    return data[:middle] + bytes(length) + data[middle + length :]


def without_packets(data: bytes, count: int) -> bytes:
    """Return an MPEG-TS that lacks a number of packets in the middle, as after bad reception."""
    middle = len(data) // 2 // _PACKET * _PACKET
    return data[:middle] + data[middle + count * _PACKET :]


def old_quicktime(data: bytes) -> bytes:
    """Return an MP4 as an old QuickTime file, which does not begin with a box of its own."""
    (_, _, length), *_ = making.boxes(data)
    edited = bytearray(data[length:])
    table = edited.index(b"stco") + 8
    for entry in range(struct.unpack_from(">I", edited, table)[0]):
        place = table + 4 + 4 * entry
        struct.pack_into(">I", edited, place, struct.unpack_from(">I", edited, place)[0] - length)
    return bytes(edited)


def mpeg2(container: str, first: int = 0) -> bytes:
    """Make a film in MPEG-2 with `FRAMES` numbered frames, for containers that hold no other."""
    show, out = making.numbered(), io.BytesIO()
    with av.open(out, "w", format=container) as output:
        stream = output.add_stream("mpeg2video", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        stream.gop_size, stream.bit_rate = 10, 2_000_000
        for number in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(show(first + number), format="rgb24")
            frame.pts = number
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return out.getvalue()


def several_tracks(
    films: Sequence[bytes], *, container: str = "mp4", defaults: Iterable[int] = ()
) -> bytes:
    """Join films into one file in which each is a track of its own, in that order."""
    out = io.BytesIO()
    sources = [av.open(io.BytesIO(each), "r") for each in films]
    with av.open(out, "w", format=container) as output:
        streams = [output.add_stream_from_template(each.streams.video[0]) for each in sources]
        for number, stream in enumerate(streams):
            default = number in set(defaults)
            stream.disposition = av.stream.Disposition.default if default else 0  # type: ignore[assignment]
        for source, stream in zip(sources, streams, strict=True):
            for packet in source.demux(source.streams.video[0]):
                if packet.dts is not None:
                    packet.stream = stream
                    output.mux(packet)
    return out.getvalue()
