"""Where pictures come from: a film, a camera in the network, or one at this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import av
from av.container import InputContainer
from av.error import FFmpegError

from facedex_cli.stream_errors import SourceLost, StreamError

_OPENING: Final = 10.0  # seconds until a camera has to answer
_SILENCE: Final = 10.0  # seconds without a picture after which a camera is given up
_PROBING: Final = "1000000"  # microseconds of video that are looked at before it is passed on
_DEVICES: Final = "/dev/video"


@dataclass(frozen=True, slots=True)
class Source:
    """What to push.

    Attributes:
        address: a file, ``rtsp://...``, or ``/dev/video0``.
        transport: how RTSP's pictures come, ``tcp`` or ``udp``.
    """

    address: str
    transport: str = "tcp"

    @property
    def live(self) -> bool:
        """Whether it goes at its own pace, and may come back when it is lost."""
        return self.address.startswith(("rtsp://", "rtsps://", _DEVICES))

    @property
    def name(self) -> str:
        """What to call it before others: an address without its password."""
        if "://" not in self.address:
            return self.address
        parts = urlsplit(self.address)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))

    @contextmanager
    def open(self) -> Iterator[InputContainer]:
        """It, opened.

        Raises:
            SourceLost: a camera does not answer.
            StreamError: it cannot be read, now or later.
        """
        try:
            container = self._open()
        except FFmpegError as error:
            reason = f"{self.name} cannot be opened ({error.strerror or error})."
            raise (SourceLost(reason) if self.live else StreamError(reason)) from None
        except ValueError as error:
            raise StreamError(f"{self.name} cannot be opened ({error}).") from None
        with container:
            if not container.streams.video:
                raise StreamError(f"{self.name} has no video.")
            yield container

    def packets(self, container: InputContainer) -> Iterator[av.Packet[av.VideoStream]]:
        """The packets of its first video, to its end.

        Raises:
            SourceLost: a camera is silent, or its connection broke.
            StreamError: a file cannot be read on.
        """
        try:
            yield from container.demux(container.streams.video[0])
        except FFmpegError as error:
            reason = f"{self.name} cannot be read on ({error.strerror or error})."
            raise (SourceLost(reason) if self.live else StreamError(reason)) from None

    def _open(self) -> InputContainer:
        options: dict[str, Any] = {}
        if self.address.startswith(("rtsp://", "rtsps://")):
            options = {
                "options": {"rtsp_transport": self.transport, "analyzeduration": _PROBING},
                "timeout": (_OPENING, _SILENCE),
            }
        elif self.address.startswith(_DEVICES):
            options = {"format": "v4l2", "timeout": (_OPENING, _SILENCE)}
        elif not Path(self.address).is_file():
            raise ValueError("there is no such file")
        container: InputContainer = av.open(self.address, "r", metadata_errors="replace", **options)
        return container
