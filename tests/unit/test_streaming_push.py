"""What is pushed begins with key frames, keeps every picture, and is acknowledged on the way."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import h11
import pytest

from facedex.media.matroska import contents
from facedex_cli.push.acknowledgements import Acknowledgement, Answer
from facedex_cli.push.display import shown
from facedex_cli.push.fragments import KeyFramesTooRare, Muxer
from facedex_cli.push.progress import Progress
from facedex_cli.push.pushing import Push
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
    assert Source("/films/a@b.mp4").name == "/films/a@b.mp4"


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


class Recorder:
    """A service that accepts all that it is sent."""

    stream = "door"

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def connect(self) -> Recorder:
        self.sent.append(b"")
        return self

    def send(self, data: bytes) -> Iterator[Acknowledgement]:
        self.sent[-1] += data
        return iter(())

    def listen(self, seconds: float) -> Iterator[Acknowledgement]:
        time.sleep(seconds)
        return iter(())

    def finish(self) -> Iterator[Acknowledgement]:
        return iter(())

    def close(self) -> None:
        return


@pytest.mark.parametrize("encode", [False, True])
@pytest.mark.parametrize("b_frames", ["0", "2"])
@pytest.mark.parametrize("container", ["mpeg", "h264", "avi", "asf"])
def test_pictures_without_a_time_of_their_own_are_sent(
    tmp_path: Path, container: str, b_frames: str, encode: bool
) -> None:
    # MPEG program streams state times for some pictures only, bare H.264 for none, AVI and ASF only
    # those of decoding.
    options = {"g": "15", "bf": b_frames}
    data = making.film(making.steady(150), container=container, codec_options=options)
    film = making.save(data, tmp_path / "film")
    service: Any = Recorder()
    Push(
        Source(str(film)),
        service,
        loop=False,
        speed=10.0,
        encode=encode,
        duration=None,
        show=lambda _: None,
    ).run()
    found = list(read_fragments([service.sent[-1]]))
    assert kinesis.numbers(found) == list(range(150))
    times = [each.timestamp + 1000 * offset for each in found for offset, _ in frames(each)]
    assert times == pytest.approx([times[0] + 4 * number for number in range(150)], abs=2)


class Enough(Exception):
    """A push has sent enough."""


def send(film: Path, *, encode: bool = False, enough: int | None = None) -> list[Fragment]:
    """Return what a push sends of a film at ten times its speed, within a minute.

    enough: repeat the film until so many fragments have been sent.
    """

    def show(progress: Progress) -> None:
        if progress.fragments == enough:
            raise Enough

    service: Any = Recorder()
    push = Push(
        Source(str(film)),
        service,
        loop=enough is not None,
        speed=10.0,
        encode=encode,
        duration=60.0,
        show=show,
    )
    with suppress(Enough):
        push.run()
    return list(read_fragments([service.sent[-1]]))


def times_of(fragments: list[Fragment]) -> list[float]:
    return [each.timestamp + 1000 * offset for each in fragments for offset, _ in frames(each)]


@pytest.mark.parametrize("b_frames", ["0", "2"])
@pytest.mark.parametrize("container", ["avi", "asf"])
def test_a_pause_in_a_film_is_one_in_the_stream(
    tmp_path: Path, container: str, b_frames: str
) -> None:
    shown = [*range(0, 2400, 40), *range(5400, 7800, 40)]
    options = {"g": "15", "bf": b_frames}
    data = making.film(shown, container=container, codec_options=options)
    found = send(making.save(data, tmp_path / "film"))
    assert kinesis.numbers(found) == list(range(120))
    times = times_of(found)
    expected = [times[0] + each / 10 for each in shown]
    # With B-frames, the file has the pause two packets later than the film.
    assert times[:60] == pytest.approx(expected[:60], abs=2)
    assert times[62:] == pytest.approx(expected[62:], abs=2)


@pytest.mark.parametrize("encode", [False, True])
def test_pictures_before_the_first_that_states_a_time_precede_it(
    tmp_path: Path, encode: bool
) -> None:
    # As in a recording that was cut. From 0 on, the push would wait for what the clock shows.
    # FFmpeg guesses a third of its rate.
    data = making.film(
        making.steady(150),
        container="vob",
        codec_options={"g": "15", "bf": "0"},
        container_options={"output_ts_offset": "3600"},
    )
    film = making.save(without_first_time(data), tmp_path / "film")
    with av.open(str(film)) as container:
        first = next(container.demux(video=0))
        assert first.dts is None
        assert first.pts is None
    found = send(film, encode=encode)
    assert kinesis.numbers(found) == list(range(150))
    times = times_of(found)
    assert all(each < later < each + 1000 for each, later in pairwise(times))


def without_first_time(data: bytes) -> bytes:
    """Return an MPEG program stream whose first packet of video states no time."""
    place = data.index(b"\0\0\1\xe2")
    flags, length = data[place + 7], data[place + 8]
    stated = 10 if flags & 0x40 else 5
    assert flags & 0x80
    header = data[place + 9 : place + 9 + length]  # the times, and then other fields
    header = header[stated:] + b"\xff" * stated
    start = data[: place + 7] + bytes([flags & 0x3F, length])
    return start + header + data[place + 9 + length :]


def test_a_film_whose_clock_does_not_begin_at_0_is_repeated_without_a_pause(
    tmp_path: Path,
) -> None:
    data = making.film(
        making.steady(50),
        container="mpegts",
        codec_options={"g": "25", "bf": "0"},
        container_options={"output_ts_offset": "3600"},
    )
    film = making.save(data, tmp_path / "film")
    found = send(film, enough=4)[:3]  # of the last, only the beginning was sent
    assert kinesis.numbers(found)[:75] == [*range(50), *range(25)]
    times = times_of(found)[:75]
    assert times == pytest.approx([times[0] + 4 * number for number in range(75)], abs=2)


class SlowService:
    """A service that takes its time to take up a session, and everything it is sent then."""

    stream = "door"

    def __init__(self) -> None:
        self.sent = b""

    def connect(self) -> SlowService:
        time.sleep(1.0)
        return self

    def send(self, data: bytes) -> Iterator[Acknowledgement]:
        self.sent += data
        return iter(())

    def listen(self, seconds: float) -> Iterator[Acknowledgement]:
        time.sleep(seconds)
        return iter(())

    def finish(self) -> Iterator[Acknowledgement]:
        return iter(())

    def close(self) -> None:
        return


def test_film_timestamps_do_not_depend_on_the_speed_of_the_service(
    tmp_path: Path,
) -> None:
    film = making.save(kinesis.numbered_film(5), tmp_path / "door.mp4")
    service: Any = SlowService()
    began = time.time()
    Push(
        Source(str(film)),
        service,
        loop=False,
        speed=1.0,
        encode=False,
        duration=None,
        show=lambda _: None,
    ).run()
    (fragment,) = read_fragments([service.sent])
    assert began - 0.1 < fragment.timestamp / 1000 < time.time() - 1.0


def test_a_source_is_shown_without_its_terminal_commands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TERM", "xterm")
    with shown("\x1b[31m[red].mp4", "door") as show:
        show(Progress())
    assert "\\x1b[31m[red].mp4 → door" in capsys.readouterr().err
