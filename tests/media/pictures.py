"""The pictures of a fragment."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Final

import av
from av.error import FFmpegError

from facedex.media.matroska.matroska_errors import NoVideo, Undecodable
from tests.media.fragments import Fragment

_MOST_PIXELS: Final = 64_000_000


def frames(
    fragment: Fragment, *, most_pixels: int = _MOST_PIXELS
) -> Iterator[tuple[float, av.VideoFrame]]:
    """Yield the pictures of a fragment with their times in seconds since its beginning.

    Damaged frames are skipped.

    Raises:
        NoVideo: if there is no video track, or its frames are too large.
        Undecodable: if no frame could be decoded.
    """
    video = next((track for track in fragment.tracks if track.video), None)
    if video is None:
        raise NoVideo("The fragment has no video track.")
    if video.width * video.height > most_pixels:
        raise NoVideo(
            f"Its pictures have {video.width}×{video.height} pixels; {most_pixels} are allowed."
        )
    any_decoded = False
    try:
        data = io.BytesIO(fragment.data)
        with av.open(data, "r", format="matroska", metadata_errors="replace") as container:
            # Without a decoder, a stream has no context, contrary to PyAV's types.
            if not container.streams.video or not container.streams.video[0].codec_context:
                raise NoVideo(f"There is no decoder for {video.codec}.")
            stream = container.streams.video[0]
            # FFmpeg itself rejects larger frames, whatever the header declares.
            stream.codec_context.options = {"max_pixels": str(most_pixels)}
            for packet in container.demux(stream):
                try:
                    decoded = packet.decode()
                except FFmpegError:
                    continue
                for frame in decoded:
                    assert isinstance(frame, av.VideoFrame)
                    if frame.pts is None or frame.time_base is None:
                        continue
                    any_decoded = True
                    began = fragment.timestamp * fragment.scale / 1e9
                    yield float(frame.pts * frame.time_base) - began, frame
    except FFmpegError as error:
        if not any_decoded:
            raise Undecodable(f"The fragment cannot be opened ({error}).") from None
    if not any_decoded:
        raise Undecodable("No frame of the fragment could be decoded.")
