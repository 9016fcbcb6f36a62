"""A simulated RTSP camera: an H.264 film in a loop, in real time, over UDP or TCP.

It implements the part of RFC 2326 that one client needs.
"""

from __future__ import annotations

import base64
import io
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

import av

_RTCP = range(192, 224)  # second byte of a packet of RTP's control protocol
Send = Callable[[bytes], None]
_SOUND = b"m=audio 0 RTP/AVP 0\r\na=control:sound\r\n"


class Camera:
    """Serves an MP4 with H.264 at ``url`` while the block runs.

    port: 0 for any free one; a restarted camera uses its old one.
    loops: number of repetitions of the film.
    speed: multiple of real time.
    credentials: the required user and password.
    sound: offers a second track, of sound.
    joined: number of the first frame that a client receives. Above 0, the description lacks what a
    decoder needs to know, so that only the next key frame states it.
    """

    def __init__(
        self,
        film: bytes,
        *,
        port: int = 0,
        loops: int = 1_000_000,
        speed: float = 1.0,
        credentials: tuple[str, str] | None = None,
        sound: bool = False,
        joined: int = 0,
    ) -> None:
        self._film = film
        self._sound = sound
        self._joined = joined
        said = ":".join(credentials or ()).encode()
        self._wanted = f"Basic {base64.b64encode(said).decode()}" if credentials else ""
        self._loops = loops
        self._speed = speed
        self._listening = socket.create_server(("127.0.0.1", port))
        self._connections: list[socket.socket] = []
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self.port = self._listening.getsockname()[1]
        self.clients = 0
        self.wanted: list[str] = []  # the tracks that clients have asked for

    @property
    def url(self) -> str:
        """Return the URL."""
        return f"rtsp://127.0.0.1:{self.port}/camera"

    def __enter__(self) -> Camera:
        self._threads[0].start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Close all connections, as if the camera lost power."""
        self._stopped.set()
        for each in (self._listening, *self._connections):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self._connections.append(connection)
            self.clients += 1
            client = threading.Thread(target=self._talk, args=(connection,), daemon=True)
            self._threads.append(client)
            client.start()

    def _talk(self, connection: socket.socket) -> None:
        """Answer a client's requests, and send it the film meanwhile."""
        send: Send | None = None
        gone = threading.Event()
        lock = threading.Lock()
        player: threading.Thread | None = None
        with connection, suppress(OSError), connection.makefile("rb") as requests:
            while request := _read_request(requests):
                headers = ["Session: 1"]
                body = b""
                status = "200 OK"
                match request[0]:
                    case _ if self._wanted not in request[1]:
                        status = "401 Unauthorized"
                        headers.append('WWW-Authenticate: Basic realm="camera"')
                    case "OPTIONS":
                        headers.append("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN")
                    case "DESCRIBE":
                        headers += [f"Content-Base: {self.url}/", "Content-Type: application/sdp"]
                        body = _describe(self._film, sets=not self._joined)
                        body += _SOUND if self._sound else b""
                    case "SETUP":
                        self.wanted.append(request[1].split()[1].rpartition("/")[2])
                        send, transport = self._transport(request[1], connection, lock)
                        headers.append(f"Transport: {transport}")
                    case "PLAY" if send:
                        arguments = (send, gone, connection)
                        player = threading.Thread(target=self._play, args=arguments, daemon=True)
                sequence = re.search(r"(?im)^cseq: *(\d+)", request[1])
                headers += [f"CSeq: {sequence[1] if sequence else 0}"]
                headers += [f"Content-Length: {len(body)}"]
                answer = f"RTSP/1.0 {status}\r\n" + "\r\n".join(headers) + "\r\n\r\n"
                with lock:
                    connection.sendall(answer.encode() + body)
                if player and not player.is_alive() and not gone.is_set():
                    player.start()
                if request[0] == "TEARDOWN":
                    break
        gone.set()
        if player:
            player.join()

    def _play(self, send: Send, gone: threading.Event, connection: socket.socket) -> None:
        started = time.monotonic()
        shift = 0.0
        with (
            suppress(OSError, av.error.FFmpegError),
            av.open(_Packets(send), "w", format="rtp", options={"packetsize": "1400"}) as output,
        ):
            stream: av.VideoStream | None = None
            for _ in range(self._loops):
                last = 0.0
                with av.open(io.BytesIO(self._film), "r") as film:
                    source = film.streams.video[0]
                    stream = stream or output.add_stream_from_template(source)
                    for number, packet in enumerate(film.demux(source)):
                        if number < self._joined and not shift:
                            continue
                        if packet.dts is None or packet.pts is None or not packet.time_base:
                            continue
                        due = started + (shift + float(packet.dts * packet.time_base)) / self._speed
                        if gone.wait(max(0.0, due - time.monotonic())):
                            return
                        last = float((packet.pts + (packet.duration or 0)) * packet.time_base)
                        moved = round(shift / packet.time_base)
                        packet.pts, packet.dts = packet.pts + moved, packet.dts + moved
                        packet.stream = stream
                        output.mux(packet)
                shift += last
        # The film has ended: behave like a camera that is switched off.
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    def _transport(
        self, head: str, connection: socket.socket, lock: threading.Lock
    ) -> tuple[Send, str]:
        asked = re.search(r"(?im)^transport: *(.*?)\r$", head)
        assert asked
        if "interleaved" in asked[1]:

            def interleave(packet: bytes) -> None:
                with lock:
                    connection.sendall(
                        struct.pack(">cBH", b"$", _channel(packet), len(packet)) + packet
                    )

            return interleave, "RTP/AVP/TCP;unicast;interleaved=0-1"
        ports = re.search(r"client_port=(\d+)-(\d+)", asked[1])
        assert ports
        host = connection.getpeername()[0]
        sending = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._connections.append(sending)
        sending.bind(("127.0.0.1", 0))
        own = sending.getsockname()[1]

        def send(packet: bytes) -> None:
            sending.sendto(packet, (host, int(ports[1 + _channel(packet)])))

        transport = f"RTP/AVP;unicast;client_port={ports[1]}-{ports[2]};server_port={own}-{own + 1}"
        return send, transport


class _Packets:
    """File-like object to which FFmpeg writes RTP: each write is a packet."""

    def __init__(self, send: Send) -> None:
        self._send = send

    def write(self, data: bytes) -> int:
        self._send(bytes(data))
        return len(data)


def _read_request(stream: io.BufferedReader) -> tuple[str, str] | None:
    """Return the method and the head of the next request; ignore RTCP reports of the client."""
    while (first := stream.read(1)) == b"$":
        _, size = struct.unpack(">BH", stream.read(3))
        stream.read(size)
    if not first:
        return None
    head = first
    while not head.endswith(b"\r\n\r\n"):
        line = stream.readline()
        if not line:
            return None
        head += line
    text = head.decode("latin-1")
    return text.split()[0], text


def _channel(packet: bytes) -> int:
    return int(packet[1] in _RTCP)


def _describe(film: bytes, *, sets: bool) -> bytes:
    with av.open(io.BytesIO(film), "r") as container:
        config = container.streams.video[0].codec_context.extradata or b""
    encoded = ",".join(base64.b64encode(each).decode() for each in _parameter_sets(config))
    stated = f";sprop-parameter-sets={encoded}" if sets else ""
    lines = [
        "v=0",
        "o=- 0 0 IN IP4 127.0.0.1",
        "s=camera",
        "c=IN IP4 0.0.0.0",
        "t=0 0",
        "m=video 0 RTP/AVP 96",
        "a=rtpmap:96 H264/90000",
        f"a=fmtp:96 packetization-mode=1{stated}",
        "a=control:track1",
        "",
    ]
    return "\r\n".join(lines).encode()


def _parameter_sets(config: bytes) -> list[bytes]:
    """Return the parameter sets in an MP4's description of H.264 (ISO/IEC 14496-15)."""
    found = []
    at = 5
    for mask in (0x1F, 0xFF):
        count = config[at] & mask
        at += 1
        for _ in range(count):
            size = int.from_bytes(config[at : at + 2], "big")
            found.append(config[at + 2 : at + 2 + size])
            at += 2 + size
    return found
