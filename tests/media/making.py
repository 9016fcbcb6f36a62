"""Small films of many kinds, made by tests."""

from __future__ import annotations

import io
import struct
import tempfile
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Picture = Callable[[int], Pixels]  # frame number -> (rows, columns, 3) RGB

MILLISECONDS = Fraction(1, 1000)
NUMBER_BITS = 16


def numbered(width: int = 320, height: int = 240) -> Picture:
    """Return frames that show their own number: a row of squares at the top, black for 0."""

    def picture(number: int) -> Pixels:
        pixels = np.full((height, width, 3), 96, dtype=np.uint8)
        pixels[height // 2 :, : width // 2] = (200, 60, 40)  # shows the orientation
        side = width // NUMBER_BITS
        for bit in range(NUMBER_BITS):
            value = 235 if number >> bit & 1 else 20
            pixels[:side, bit * side : (bit + 1) * side] = value
        return pixels

    return picture


def number_of(pixels: Pixels) -> int:
    """Return the number that a frame of `numbered` shows, even in a reduced frame."""
    side = pixels.shape[1] // NUMBER_BITS
    row = pixels[side // 2, :, 1]
    return sum(1 << bit for bit in range(NUMBER_BITS) if row[bit * side + side // 2] > 128)


def film(
    times: Sequence[int],
    picture: Picture | None = None,
    *,
    container: str = "mp4",
    codec: str = "libx264",
    rate: int = 25,
    rotation: int = 0,
    flip: bool = False,
    sound: bool = False,
    codec_options: Mapping[str, str] | None = None,
    container_options: Mapping[str, str] | None = None,
    pixel_format: str = "yuv420p",
) -> bytes:
    """Make a film whose frames are shown at `times`, in milliseconds.

    rotation: degrees, counter-clockwise, that a player turns the pixels by; flip: then mirrors them
    left to right. sound: adds a track of silence from 0 on.
    """
    show = picture or numbered()
    rows, columns = show(0).shape[:2]
    options = dict(container_options or {})
    # With a name: FFmpeg opens the file a second time to move an MP4's index to its front.
    with tempfile.NamedTemporaryFile() as file:
        with av.open(file.name, "w", format=container, options=options) as output:
            stream = output.add_stream(codec, rate=rate, options=dict(codec_options or {}))
            assert isinstance(stream, VideoStream)
            stream.width, stream.height, stream.pix_fmt = columns, rows, pixel_format
            stream.codec_context.time_base = MILLISECONDS
            stream.codec_context.thread_count = 1
            if rotation or flip:
                stream.set_display_rotation(rotation, hflip=flip)
            if sound:
                _add_silence(output, times[-1])
            for number, time in enumerate(times):
                frame = av.VideoFrame.from_ndarray(show(number), format="rgb24")
                frame.pts, frame.time_base = time, MILLISECONDS
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
        return Path(file.name).read_bytes()


def _add_silence(output: av.container.OutputContainer, milliseconds: int) -> None:
    sound = output.add_stream("aac", rate=48000, layout="mono")
    assert isinstance(sound, av.AudioStream)
    for start in range(0, 48 * milliseconds, 1024):
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 1024), dtype=np.float32), format="fltp", layout="mono"
        )
        frame.pts, frame.sample_rate, frame.time_base = start, 48000, Fraction(1, 48000)
        output.mux(sound.encode(frame))
    output.mux(sound.encode(None))


def steady(count: int, rate: int = 25, start: int = 0) -> list[int]:
    """Return the times in milliseconds of `count` frames at `rate` frames a second."""
    return [start + round(1000 * number / rate) for number in range(count)]


def sound_only(milliseconds: int = 2000) -> bytes:
    """Make an MP4 with a track of silence and no other."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as output:
        _add_silence(output, milliseconds)
    return file.getvalue()


def song_with_cover(cover: bytes) -> bytes:
    """Make an M4A of silence whose only picture is its cover, a JPEG."""
    file = io.BytesIO(sound_only())
    out = io.BytesIO()
    with av.open(file, "r") as source, av.open(out, "w", format="mp4") as output:
        sound = output.add_stream_from_template(source.streams.audio[0])
        with av.open(io.BytesIO(cover), "r") as picture:
            template = picture.streams.video[0]
            art = output.add_stream_from_template(template)
            art.disposition = av.stream.Disposition.attached_pic
            for packet in picture.demux(template):
                if packet.size:
                    packet.stream = art
                    packet.pts = packet.dts = 0
                    output.mux(packet)
        for heard in source.demux(source.streams.audio[0]):
            if heard.dts is not None:
                heard.stream = sound
                output.mux(heard)
    return out.getvalue()


def boxes(data: bytes, start: int = 0, end: int | None = None) -> list[tuple[str, int, int]]:
    """Return the name, start and end of all boxes of an MP4 on one level."""
    found = []
    end = len(data) if end is None else end
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        found.append((kind.decode("latin-1"), start, start + size))
        start += size
    return found


def skip_start(data: bytes, milliseconds: int) -> bytes:
    """Return an MP4 whose edit list makes players begin a number of milliseconds later."""
    at = data.index(b"elst")
    timescale = struct.unpack_from(">I", data, data.index(b"mvhd") + 16)[0]
    media = struct.unpack_from(">I", data, data.index(b"mdhd") + 16)[0]
    duration, begin = struct.unpack_from(">Ii", data, at + 12)
    edited = bytearray(data)
    struct.pack_into(
        ">Ii",
        edited,
        at + 12,
        duration - milliseconds * timescale // 1000,
        begin + milliseconds * media // 1000,
    )
    return bytes(edited)


def edit(data: bytes, edits: Sequence[tuple[int, int]]) -> bytes:
    """Return an MP4 that players show in parts: each begins at a time and lasts, in ms."""
    at = data.index(b"elst") - 4
    assert data.index(b"mdat") < at, "the pictures' positions would change"
    timescale = struct.unpack_from(">I", data, data.index(b"mvhd") + 16)[0]
    media = struct.unpack_from(">I", data, data.index(b"mdhd") + 16)[0]
    (size,), (begin,) = struct.unpack_from(">I", data, at), struct.unpack_from(">i", data, at + 20)
    entries = b"".join(
        struct.pack(">IiI", long * timescale // 1000, begin + start * media // 1000, 1 << 16)
        for start, long in edits
    )
    box = struct.pack(">I4sII", 16 + len(entries), b"elst", 0, len(edits)) + entries
    edited = bytearray(data[:at] + box + data[at + size :])
    for name in (b"moov", b"trak", b"edts"):
        place = edited.index(name) - 4
        (before,) = struct.unpack_from(">I", edited, place)
        struct.pack_into(">I", edited, place, before + len(box) - size)
    return bytes(edited)


def stretched(data: bytes, aspect: Fraction) -> bytes:
    """Return a film as an MP4 that states how wide its pixels are; their codec does not."""
    out = io.BytesIO()
    with av.open(io.BytesIO(data), "r") as source, av.open(out, "w", format="mp4") as output:
        template = source.streams.video[0]
        stream = output.add_stream_from_template(template)
        stream.codec_context.sample_aspect_ratio = aspect
        for packet in source.demux(template):
            if packet.size:
                packet.stream = stream
                output.mux(packet)
    return out.getvalue()


def rename_entry(data: bytes, name: bytes, other: bytes) -> bytes:
    """Return an MP4 whose sample entry has another name, such as ``encv``."""
    at = data.index(name, data.index(b"stsd"))
    return data[:at] + other + data[at + len(name) :]


def prolong(data: bytes, milliseconds: int) -> bytes:
    """Return an MP4 whose headers declare that its last frame ends at a given millisecond."""
    edited = bytearray(data)
    movie = struct.unpack_from(">I", data, data.index(b"mvhd") + 16)[0]
    media = struct.unpack_from(">I", data, data.index(b"mdhd") + 16)[0]
    for box, place, scale in (
        (b"mvhd", 20, movie),
        (b"tkhd", 24, movie),
        (b"elst", 12, movie),
        (b"mdhd", 20, media),
    ):
        struct.pack_into(">I", edited, data.index(box) + place, milliseconds * scale // 1000)
    # In the table of durations, the last run of frames gets the missing duration.
    table = data.index(b"stts") + 4
    runs = struct.unpack_from(">I", data, table + 4)[0]
    last = table + 8 + 8 * (runs - 1)
    before = sum(
        count * each
        for count, each in (struct.unpack_from(">II", data, table + 8 + 8 * n) for n in range(runs))
    )
    count, each = struct.unpack_from(">II", data, last)
    missing = milliseconds * media // 1000 - before
    struct.pack_into(">II", edited, last, count, each + missing // count)
    return bytes(edited)


def save(data: bytes, path: Path) -> Path:
    """Write a film to a file and return its path."""
    path.write_bytes(data)
    return path
