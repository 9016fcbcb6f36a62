"""Records of Rekognition's documented form become who is seen."""

from __future__ import annotations

import io
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from click.testing import CliRunner
from rich.console import Console

from facedex_cli.program import main
from facedex_cli.watch import records, watching
from facedex_cli.watch.consuming import Record
from facedex_cli.watch.owners import Owners, own_frames
from facedex_cli.watch.presence import Presence

_ARN = "arn:aws:kinesisvideo:us-east-1:123456789012:stream/door/1"


def record(time: float, *faces: tuple[str, float] | None) -> bytes:
    """A record as the documentation shows it, of the faces of people or of strangers (None)."""
    box = {"Height": 0.1, "Width": 0.1, "Left": 0.5, "Top": 0.5}
    found: list[dict[str, Any]] = [
        {
            "DetectedFace": {"BoundingBox": box, "Confidence": 99.9},
            "MatchedFaces": [
                {
                    "Similarity": face[1] - less,
                    "Face": {
                        "BoundingBox": box,
                        "FaceId": "f-1",
                        "Confidence": 99.9,
                        "ImageId": "i-1",
                        "ExternalImageId": name,
                    },
                }
                for name, less in ((face[0], 0), ("other", 5))
            ]
            if face
            else [],
        }
        for face in faces
    ]
    return json.dumps(
        {
            "InputInformation": {
                "KinesisVideo": {
                    "StreamArn": _ARN,
                    "FragmentNumber": "91343852333289682796718532614445757584843717598",
                    "ServerTimestamp": time + 0.2,
                    "ProducerTimestamp": time - 0.5,
                    "FrameOffsetInSeconds": 0.5,
                }
            },
            "StreamProcessorInformation": {"Status": "RUNNING"},
            "FaceSearchResponse": found,
        }
    ).encode()


def see(presence: Presence, time: float, *faces: tuple[str, float] | None) -> None:
    frame = records.read(record(time, *faces))
    assert frame
    presence.see(frame, time + 0.75)


def test_people_are_named_by_their_best_match() -> None:
    presence = Presence()
    see(presence, 1000, ("ann", 99.5), None, None)
    people = {person.name: person for person in presence.people()}
    assert set(people) == {"ann", ""}
    assert people["ann"].similarity == 99.5
    assert people[""].count == 2
    assert presence.latency == 0.75


def test_a_person_who_returns_counts_as_newly_arrived() -> None:
    presence = Presence()
    for time in (1000, 1002, 1004):
        see(presence, time, ("ann", 95 + time / 1000))
    (ann,) = presence.people()
    assert (ann.since, ann.last) == (1000, 1004)
    see(presence, 1030, ("ann", 91))
    (ann,) = presence.people()
    assert (ann.since, ann.last, ann.similarity, ann.best) == (1030, 1030, 91, 91)


def test_memory_is_bounded_for_any_number_of_people() -> None:
    presence = Presence()
    for number in range(1000):
        see(presence, 1000 + number, (f"person-{number}", 99))
    assert len(list(presence.people())) == 200
    assert next(presence.people()).name == "person-999"


def test_the_view_shows_each_person_with_first_and_last_time() -> None:
    presence = Presence()
    see(presence, 1000, ("ann", 99.5))
    see(presence, 1120, ("[bob]", 97.25), None)
    written = io.StringIO()
    console = Console(file=written, width=100)
    console.print(watching.render("door", presence, status="RUNNING", now=1121.0))
    text = written.getvalue()
    assert "door  RUNNING  2 frames, 0.75 s behind the camera" in text
    lines = [line.split() for line in text.splitlines()]
    assert [line[:2] for line in lines[2:]] == [
        ["[bob]", "97.25"],
        ["unknown", lines[3][1]],
        ["ann", "99.50"],
    ]
    assert lines[2][-1] == "now"
    assert lines[4][-3:] == ["2", "min", "ago"]


def test_the_log_reports_arriving_people() -> None:
    presence = Presence()
    see(presence, 1000, ("ann", 99.5), None)
    said = watching.lines(presence, before={})
    assert [line.split(" ", 1)[1] for line in said] == ["ann (99.50)", "unknown"]
    before = {person.name: person.since for person in presence.people()}
    see(presence, 1005, ("ann", 99.5), None)
    assert watching.lines(presence, before) == []


def test_the_log_reports_a_person_who_returns() -> None:
    presence = Presence()
    see(presence, 1000, ("ann", 99.5), None)
    before = {person.name: person.since for person in presence.people()}
    see(presence, 1500, ("ann", 98.0))
    said = watching.lines(presence, before)
    assert [line.split(" ", 1)[1] for line in said] == ["ann (98.00)"]


def test_records_of_another_processor_are_left_out() -> None:
    client = boto3.client(
        "rekognition",
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    batches = [
        [Record("door", record(1000, ("ann", 99))), Record("gate", record(1000, ("bob", 99)))],
        [Record("gate", record(1001, None)), Record("door", record(1001, None))],
        [Record("key of no processor", record(1002)), Record("key that cannot be known", b"{}")],
    ]
    with Stubber(client) as service:
        service.add_response("describe_stream_processor", {"Name": "gate"}, {"Name": "gate"})
        service.add_client_error("describe_stream_processor", "ResourceNotFoundException")
        service.add_client_error("describe_stream_processor", "InternalServerError")
        found = list(own_frames(batches, Owners(client, "door"), _ARN))
        service.assert_no_pending_responses()
    names = [[[each.name for each in frame.observations] for frame in batch] for batch in found]
    assert names == [[["ann"]], [[""]], [[], []]]


def test_malformed_records_are_ignored() -> None:
    for data in (b"", b"\xff", b"[]", b"1", b'{"InputInformation": []}', b'"text"'):
        assert records.read(data) is None
    empty = records.read(b"{}")
    assert empty is None or empty.observations == ()


_LABELS = {"Output": {"S3Destination": {"Bucket": "b"}}, "Input": {}, "Status": "STOPPED"}


@pytest.mark.parametrize("described", [_LABELS, {"Status": "STOPPED"}], ids=["labels", "bare"])
def test_a_processor_without_a_data_stream_is_refused_in_a_sentence(
    described: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.dumps({"Name": "door", **described}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        done = CliRunner().invoke(main, ["stream", "watch", "door", f"--url={url}"])
        server.shutdown()
        thread.join()
    assert done.exit_code == 1
    assert done.stderr == (
        "Error: The stream processor door writes to no Kinesis data stream, from which its records"
        " could be read; only processors that search for faces have one.\n"
    )
