"""Traces: what a real receiver of OTLP gets from a server, and what it never gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from facedex import __version__
from tests.e2e.films import moving
from tests.integration.observing import Observed, traced

CALLER = "00f067aa0ba902b7"  # the span of the application that calls


def ask(observed: Observed, client: Any, call: Callable[[Any], object], name: str) -> list[Span]:
    """Make a request in a trace of its own, and return the server's spans."""
    trace_id = uuid4().hex
    with traced(client, trace_id):
        try:
            call(client)
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ResourceNotFoundException"  # noqa: PT017
    # The first span of a request ends, and is sent, after the others.
    return observed.receiver.trace(trace_id, lambda spans: name in names(spans))


def names(spans: list[Span]) -> set[str]:
    return {span.name for span in spans}


def facts(span: Span) -> dict[str, str | int]:
    return {
        pair.key: pair.value.int_value
        if pair.value.HasField("int_value")
        else pair.value.string_value
        for pair in span.attributes
    }


@pytest.fixture(scope="module")
def gallery(observed: Observed) -> str:
    name = f"gallery-{uuid4().hex}"
    observed.client().create_collection(CollectionId=name)
    return name


@pytest.fixture(scope="module")
def indexing(observed: Observed, gallery: str, portraits: dict[str, bytes]) -> list[Span]:
    """Return the spans of an IndexFaces whose image is in S3."""
    storage = observed.client("s3")
    storage.create_bucket(Bucket="traced")
    storage.put_object(Bucket="traced", Key="secret-name.png", Body=portraits["grace"])
    return ask(
        observed,
        observed.client(),
        lambda client: client.index_faces(
            CollectionId=gallery,
            Image={"S3Object": {"Bucket": "traced", "Name": "secret-name.png"}},
            ExternalImageId="grace-hopper",
        ),
        "IndexFaces",
    )


def test_a_request_is_one_trace_below_the_callers_span(indexing: list[Span]) -> None:
    (first,) = [span for span in indexing if span.kind == Span.SPAN_KIND_SERVER]
    assert first.name == "IndexFaces"
    assert first.parent_span_id.hex() == CALLER
    assert facts(first) == {"http.response.status_code": 200, "facedex.code": "OK"}
    known = {span.span_id for span in indexing}
    for span in indexing:
        assert span is first or span.parent_span_id in known
        assert first.start_time_unix_nano <= span.start_time_unix_nano
        assert span.end_time_unix_nano <= first.end_time_unix_nano


def test_each_step_is_a_span(indexing: list[Span]) -> None:
    assert names(indexing) >= {
        "authentication",
        "decoding",
        "detection",
        "description",
        "embedding",
        "inference detector",
        "inference sface",
        "database connection",
        "S3 GetObject",
    }
    by_id = {span.span_id: span for span in indexing}
    (detector, *_) = [span for span in indexing if span.name == "inference detector"]
    assert by_id[detector.parent_span_id].name == "detection"
    assert facts(detector) == {"pack": "sface-dlib", "network": "detector"}
    (s3,) = [span for span in indexing if span.name == "S3 GetObject"]
    assert s3.kind == Span.SPAN_KIND_CLIENT
    assert facts(s3) == {
        "rpc.system": "aws-api",
        "rpc.service": "S3",
        "rpc.method": "GetObject",
        "http.response.status_code": 200,
    }


def test_statements_have_their_verb_and_table_only(
    observed: Observed, gallery: str, indexing: list[Span], portraits: dict[str, bytes]
) -> None:
    search = ask(
        observed,
        observed.client(),
        lambda client: client.search_faces_by_image(
            CollectionId=gallery, Image={"Bytes": portraits["grace"]}
        ),
        "SearchFacesByImage",
    )
    statements = [span for span in (*indexing, *search) if "db.system.name" in facts(span)]
    assert {"SELECT collections"} <= names(statements)
    for span in statements:
        verb = str(facts(span)["db.operation.name"])
        assert span.name.split(" ")[0] == verb
        assert set(facts(span)) == {"db.system.name", "db.operation.name"}
    (found,) = [span for span in search if span.name == "search faces"]
    assert facts(found) == {"target": "faces"}


def test_an_error_has_its_code_and_not_its_text(observed: Observed) -> None:
    spans = ask(
        observed,
        observed.client(),
        lambda client: client.describe_collection(CollectionId="nothing-of-that-name"),
        "DescribeCollection",
    )
    (first,) = [span for span in spans if span.kind == Span.SPAN_KIND_SERVER]
    assert facts(first) == {
        "http.response.status_code": 400,
        "facedex.code": "ResourceNotFoundException",
    }
    for span in spans:
        assert not span.events
        assert not span.status.message
    assert b"nothing-of-that-name" not in b"".join(span.SerializeToString() for span in spans)


def test_workers_continue_the_trace_through_the_queue(
    observed: Observed, portraits: dict[str, bytes]
) -> None:
    storage = observed.client("s3")
    storage.create_bucket(Bucket="traced-films")
    film = moving(portraits, "grace", seconds=1)
    storage.put_object(Bucket="traced-films", Key="a.mp4", Body=film)
    video = {"S3Object": {"Bucket": "traced-films", "Name": "a.mp4"}}
    client, trace_id = observed.client(), uuid4().hex
    with traced(client, trace_id):
        client.start_face_detection(Video=video)
    worker = "search_video_segment"

    def complete(spans: list[Span]) -> bool:
        """Return whether the work is there, and what it belongs to, sent by other processes."""
        known = {span.span_id for span in spans}
        work = [span for span in spans if span.name == worker]
        return len(work) >= 2 and all(span.parent_span_id in known for span in work)

    spans = observed.receiver.trace(trace_id, complete)
    parents = {span.span_id: span.name for span in spans}
    work = [span for span in spans if span.name == worker]
    assert {span.kind for span in work} == {Span.SPAN_KIND_CONSUMER}
    # The plan was sent by the request, and the segment by the worker that planned.
    assert {parents[span.parent_span_id] for span in work} <= {
        "SQS SendMessageBatch",
        "StartFaceDetection",
        worker,
    }
    # Frames are many, and make no spans.
    assert "detection" not in names(spans)


def test_nothing_about_people_leaves_the_server(
    observed: Observed, gallery: str, indexing: list[Span]
) -> None:
    face = observed.client().list_faces(CollectionId=gallery)["Faces"][0]
    sent = b"".join(span.SerializeToString() for span in observed.receiver.spans)
    assert b"IndexFaces" in sent
    for text in (gallery, face["FaceId"], face["ImageId"], "grace-hopper", "secret-name"):
        assert text.encode() not in sent
    for secret in observed.key:
        assert secret.encode() not in sent


def test_work_without_a_request_makes_no_traces(observed: Observed, indexing: list[Span]) -> None:
    """The server asks its database and queues for work every second."""
    roots = [span for span in observed.receiver.spans if not span.parent_span_id]
    assert {span.kind for span in roots} <= {Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CONSUMER}
    resource = observed.receiver.resources[0]
    assert resource["service.name"] == "facedex"
    assert resource["service.version"] == __version__
