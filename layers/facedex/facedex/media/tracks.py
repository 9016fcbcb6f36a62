"""The choice of the track that is the film, among a file's video tracks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Final

from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from facedex.media.clocks import demux
from facedex.media.film_errors import FilmError

# A track of at most this share of the longest one's duration, such as a thumbnail, is not the film.
SHORT: Final = 0.5
MOST_PACKETS: Final = 5_000  # read to compare tracks whose duration the file does not state
STILL: Final = Disposition.attached_pic | Disposition.still_image | Disposition.timed_thumbnails
_SECONDARY: Final = Disposition.dependent | Disposition.visual_impaired | Disposition.comment


def choose(container: InputContainer) -> tuple[VideoStream, int]:
    """Return the track that is the film, and the number of tracks that might be one.

    Pictures such as a cover or a thumbnail are no films, also if their track comes first. Among
    tracks of about the same length, the file's default track is the film, as in players, then the
    one with the largest pictures, then the first.

    Raises:
        FilmError: if there is no video track, or none that can be decoded.
    """
    tracks = [track for track in container.streams.video if not track.disposition & STILL]
    if not tracks:
        raise FilmError("The file has no video track.")
    # The codec context is missing if FFmpeg knows the codec but cannot decode it.
    usable = [
        track for track in tracks if track.codec_context is not None and track.codec_context.width
    ]
    if not usable:
        raise FilmError("The video's codec is not supported; use H.264.")
    others = len(tracks) - len(usable)  # of unknown length: each might be the film
    # In an MP4, a track may claim to be long and have one picture.
    usable = [track for track in usable if track.frames != 1] or usable
    if len(usable) == 1:
        return usable[0], 1 + others
    lengths = _lengths(container, usable)
    longest = max(lengths.values())
    films = [track for track in usable if lengths[track.index] >= SHORT * longest]
    return max(films, key=_rank), len(films) + others


def _rank(track: VideoStream) -> tuple[bool, bool, int, int]:
    context = track.codec_context
    disposition = track.disposition
    return (
        not disposition & _SECONDARY,
        bool(disposition & Disposition.default),
        context.width * context.height,
        -track.index,
    )


def _lengths(container: InputContainer, tracks: Sequence[VideoStream]) -> Mapping[int, float]:
    """Return the length of each track: in seconds if the file states it, otherwise in packets."""
    stated = {
        track.index: float(track.duration * track.time_base)
        for track in tracks
        if track.duration and track.time_base
    }
    if len(stated) == len(tracks):
        return stated
    counts = {track.index: 0.0 for track in tracks}
    for packet in islice(demux(container, *tracks), MOST_PACKETS):
        if packet.size:
            counts[packet.stream_index] += 1
    return counts
