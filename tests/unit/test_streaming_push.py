"""What is pushed begins with key frames, keeps every picture, and is acknowledged on the way."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import av
import h11
import pytest

from facedex.media.matroska import contents
from facedex_cli.push.acknowledgements import Acknowledgement, Answer
from facedex_cli.push.display import shown
from facedex_cli.push.fragments import KeyFramesTooRare, Muxer
from facedex_cli.push.progress import Progress
from facedex_cli.push.sources import Source
from tests.media import kinesis, making
from tests.media.fragments import Fragment, read_fragments
from tests.media.pictures import frames


def mux(film: bytes, *, encode: bool = False, speed: float = 1.0) -> list[Fragment]:
    """A film as a push sends it, read back."""

    def sent() -> Iterator[bytes]:
        with av.open(io.BytesIO(film), "r") as container:
            video = container.streams.video[0]
            muxer = Muxer(video, encode=encode, speed=speed)
            pieces = [
                piece for packet in container.demux(video) for piece in muxer.add(packet, 0.0)
            ]
            pieces += muxer.finish()
        yield muxer.header
        for piece in pieces:
            yield contents.open_cluster(piece.time) if piece.opens else piece.data

    return list(read_fragments(sent()))


def pictures(film: bytes) -> list[bytes]:
    with av.open(io.BytesIO(film), "r") as container:
        return [frame.to_ndarray().tobytes() for frame in container.decode(video=0)]


@pytest.mark.parametrize("options", [{"bf": "0"}, {"bf": "3"}, {"g": "5"}])
@pytest.mark.parametrize("container", ["mp4", "mpegts", "matroska"])
def test_h264_is_sent_unchanged(options: dict[str, str], container: str) -> None:
    film = making.film(making.steady(60), container=container, codec_options={"g": "15", **options})
    found = mux(film)
    assert [
        frame.to_ndarray().tobytes() for each in found for _, frame in frames(each)
    ] == pictures(film)
    assert all(each.tracks[0].codec == "V_MPEG4/ISO/AVC" for each in found)
    assert all(later.timestamp - each.timestamp >= 400 for each, later in pairwise(found))


@pytest.mark.parametrize("codec", ["mpeg4", "mjpeg"])
def test_other_codecs_are_encoded_with_a_key_frame_twice_a_second(codec: str) -> None:
    options: dict[str, Any] = {"pixel_format": "yuvj420p"} if codec == "mjpeg" else {}
    film = making.film(making.steady(50), codec=codec, container="matroska", **options)
    found = mux(film)
    assert [each.timestamp for each in found] == pytest.approx([0, 520, 1040, 1560], abs=45)
    assert kinesis.numbers(found) == list(range(50))
    assert all(each.tracks[0].codec == "V_MPEG4/ISO/AVC" for each in found)


def test_odd_sizes_are_encoded() -> None:
    film = making.film(
        making.steady(10),
        making.numbered(321, 241),
        codec="mjpeg",
        container="matroska",
        pixel_format="yuvj444p",
    )
    assert next(frames(mux(film)[0]))[1].width == 320


def test_key_frames_that_are_too_far_apart_are_found() -> None:
    film = making.film(making.steady(120, 10), codec_options={"g": "1000", "sc_threshold": "0"})
    with pytest.raises(KeyFramesTooRare):
        mux(film)
    assert len(kinesis.numbers(mux(film, encode=True))) == 120


def test_a_faster_film_has_its_times_divided() -> None:
    film = kinesis.numbered_film(20, key_frames=10)
    found = mux(film, speed=2.0)
    assert [each.timestamp for each in found] == [0, 500]
    assert kinesis.numbers(found) == list(range(20))


def test_an_address_is_shown_without_its_password() -> None:
    assert Source("rtsp://me:secret@camera:554/live").name == "rtsp://camera:554/live"
    assert Source("rtsp://me:secret@[::1/live").name == "rtsp://…"
    assert Source("/films/a@b=c.mp4").name == "/films/a@b=c.mp4"
    for place in ("live?user=me&password=secret", "user=me_password=secret_channel=1.sdp"):
        shown = Source(f"rtsp://camera/{place}").name
        assert shown == f"rtsp://camera/{place.partition('=')[0]}=…"


def answer_to_a_request() -> Answer:
    connection = h11.Connection(h11.CLIENT)
    headers = [("Host", "localhost"), ("Transfer-Encoding", "chunked")]
    connection.send(h11.Request(method="POST", target="/putMedia", headers=headers))
    return Answer(connection)


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("chunked", [True, False])
def test_acknowledgements_are_read_as_they_come(size: int, chunked: bool) -> None:
    said = [
        {"EventType": "BUFFERING", "FragmentNumber": "1", "FragmentTimecode": 5},
        {"Acknowledgement": {"EventType": "RECEIVED", "FragmentNumber": 1}},
        {"EventType": "ERROR", "ErrorId": 4006, "ErrorCode": "INVALID_MKV_DATA"},
    ]
    lines = [json.dumps(each).encode() + b"\r\n" for each in said]
    head = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"
    if chunked:
        body = b"".join(b"%x\r\n%b\r\n" % (len(line), line) for line in lines) + b"0\r\n\r\n"
        data = head + b"Transfer-Encoding: chunked\r\n\r\n" + body
    else:
        body = b"".join(lines)
        data = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    answer = answer_to_a_request()
    found = [each for at in range(0, len(data), size) for each in answer.feed(data[at : at + size])]
    assert found == [
        Acknowledgement("BUFFERING", "1"),
        Acknowledgement("RECEIVED", "1"),
        Acknowledgement("ERROR", "", "INVALID_MKV_DATA (4006)"),
    ]
    assert answer.over


def test_a_refusal_is_read() -> None:
    answer = answer_to_a_request()
    body = b'{"__type": "X", "Message": "No such stream."}'
    head = b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n" % len(body)
    assert list(answer.feed(head + body)) == []
    assert (answer.status, answer.refusal, answer.over) == (404, "No such stream.", True)


def test_a_request_that_is_not_http_is_refused() -> None:
    with pytest.raises(ValueError, match="not HTTP"):
        list(answer_to_a_request().feed(b"SSH-2.0-x\r\n\r\n"))


def test_a_source_is_shown_without_its_terminal_commands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TERM", "xterm")
    with shown("\x1b[31m[red].mp4", "door") as show:
        show(Progress())
    assert "\\x1b[31m[red].mp4 → door" in capsys.readouterr().err
