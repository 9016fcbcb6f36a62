"""Conversion of decoded frames to upright RGB pixels."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from av.error import FFmpegError
from av.sidedata.sidedata import SideDataContainer
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, Interpolation
from av.video.stream import VideoStream
from numpy.typing import NDArray

from facedex.vision.images import Image

LONGEST_SIDE: Final = 1920  # pixels; larger frames are reduced while they are converted
NARROWEST: Final = 0.25  # lowest plausible ratio of a pixel's width to its height
# FFmpeg's numbers (ITU-T H.273): colours whose conversion is not stated, and those of BT.2020 with
# constant luminance, which nearly equal those without.
UNSPECIFIED: Final = 2
CONSTANT_LUMINANCE: Final = 10


def to_image(
    frame: VideoFrame, *, pixel_aspect: float = 1, longest_side: int = LONGEST_SIDE
) -> Image:
    """Return a frame as an upright image with square pixels, at most ``longest_side`` long.

    Args:
        frame: a decoded frame.
        pixel_aspect: width of a displayed pixel divided by its height.
        longest_side: pixels.
    """
    width, height = frame.width * pixel_aspect, float(frame.height)
    scale = min(1.0, longest_side / max(width, height))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    same = size == (frame.width, frame.height)
    rgb = reformat(
        frame,
        *size,
        "rgb24",
        interpolation=Interpolation.FAST_BILINEAR if same else Interpolation.AREA,
    )
    upright_width, upright_height = upright_size(frame)
    return Image(
        turn(np.asarray(rgb.to_ndarray(), dtype=np.uint8), frame), upright_width, upright_height
    )


def reformat(
    frame: VideoFrame,
    width: int,
    height: int,
    pixel_format: str,
    *,
    interpolation: int = Interpolation.BILINEAR,
    color_range: int | None = None,
) -> VideoFrame:
    """Return a frame in another size and pixel format, whatever its colours.

    Args:
        frame: a decoded frame.
        width, height: pixels.
        pixel_format: FFmpeg's name of the format.
        interpolation: see PyAV's ``Interpolation``.
        color_range: of the result, FFmpeg's number; None for FFmpeg's choice.

    Raises:
        FFmpegError: if the frame is damaged.
    """

    def convert() -> VideoFrame:
        return frame.reformat(
            width,
            height,
            pixel_format,
            interpolation=interpolation,
            dst_color_range=color_range,
            threads=1,
        )

    try:
        return convert()
    except FFmpegError:
        # FFmpeg decodes more kinds of colours than it converts. Brightness, and so shapes, are the
        # same in most of them.
        constant = frame.colorspace == CONSTANT_LUMINANCE
        frame.colorspace = Colorspace.BT2020 if constant else UNSPECIFIED
        return convert()


def is_upright(frame: VideoFrame) -> bool:
    """Return whether a frame is shown as it is stored, neither rotated nor mirrored."""
    (a, _), (c, d) = _turn_of(frame)
    return abs(a) >= abs(c) and a > 0 and d > 0


def upright_size(frame: VideoFrame) -> tuple[int, int]:
    """Return the width and height of the upright frame, in pixels."""
    (a, _), (c, _) = _turn_of(frame)
    return (frame.width, frame.height) if abs(a) >= abs(c) else (frame.height, frame.width)


def pixel_aspect(track: VideoStream | VideoCodecContext) -> float:
    """Return the width of a track's pixels divided by their height; 1 if it is implausible.

    Of a file's track, this is what the file states, as in players; what its codec states may
    differ.
    """
    aspect = track.sample_aspect_ratio
    return float(aspect) if aspect and NARROWEST <= aspect <= 1 / NARROWEST else 1.0


def turn(pixels: NDArray[np.uint8], frame: VideoFrame) -> NDArray[np.uint8]:
    """Rotate and mirror pixels (rows, columns, 3), in quarter turns, as the frame specifies."""
    (a, b), (c, d) = _turn_of(frame)
    if abs(a) < abs(c):  # rows become columns
        pixels = pixels.transpose(1, 0, 2)
        a, d = c, b
    if a < 0:
        pixels = pixels[:, ::-1]
    if d < 0:
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _turn_of(frame: VideoFrame) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the matrix ((a, b), (c, d)) that maps (x, y) to (a·x + c·y, b·x + d·y).

    ISO/IEC 14496-12, 6.2.2: the first two columns of a track's display matrix.
    """
    # Not frame.side_data: PyAV 18 stores it in the frame to which it refers, and this cycle keeps
    # the pixels in memory until Python's garbage collector runs.
    all_side_data: Any = SideDataContainer
    side_data = all_side_data(frame).get("DISPLAYMATRIX")
    if side_data is None:
        return (1, 0), (0, 1)
    matrix = np.frombuffer(bytes(side_data), dtype=np.int32, count=9)
    a, b, c, d = (float(matrix[place]) for place in (0, 1, 3, 4))
    return (a, b), (c, d)
