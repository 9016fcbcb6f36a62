"""``GET /metrics``: what a server with two processes and access keys did is counted exactly."""

from __future__ import annotations

import stat
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from uuid import uuid4

import psutil
import psycopg
import pytest
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_open_metrics,
)

from facedex.observability.definitions import PREFIX, Kind, Place
from facedex.observability.metrics import METRICS
from facedex_local.postgres.cluster import Postgres
from tests.e2e.films import moving
from tests.e2e.keys import Key, create_key
from tests.integration.observing import PATIENCE, Observed, Scrape, parse, token_file

# Labels with values from a fixed set; installed packs and their networks are few.
LABELS = {label for metric in METRICS for label in metric.labels} | {"le"}


def collection_of(observed: Observed) -> str:
    name = f"gallery-{uuid4().hex}"
    observed.client().create_collection(CollectionId=name)
    return name


def test_a_scrape_needs_the_token_of_the_data_directory(observed: Observed) -> None:
    url = f"{observed.server.url}/metrics"
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer"}):
        refused = requests.get(url, headers=headers, timeout=PATIENCE)
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"].startswith("Bearer")
        assert "metrics.token" in refused.json()["Message"]
    assert stat.S_IMODE(token_file(observed.server).stat().st_mode) == 0o600
    assert "facedex_build_info" in observed.text()


def test_a_request_signed_with_an_access_key_needs_no_token(observed: Observed) -> None:
    """The console signs with the reader's key, which may be read-only."""
    reader = create_key(observed.server.directory, "--read-only")
    for _ in range(4):  # each of the two processes answers some
        for key in (observed.key, reader):
            found = signed_scrape(observed, key)
            assert found.status_code == 200, found.text
            assert "facedex_build_info" in found.text
    refused = signed_scrape(observed, (reader[0], "wrong"))
    assert refused.status_code == 403
    assert "facedex_build_info" not in refused.text
    # Signed for S3, it is an object or a bucket; signed for the face API, no operation.
    for service in ("s3", "rekognition", "monitoring"):
        assert "facedex_build_info" not in signed_scrape(observed, reader, service).text


def signed_scrape(observed: Observed, key: Key, service: str = "execute-api") -> requests.Response:
    url = f"{observed.server.url}/metrics"
    request = AWSRequest("GET", url)
    SigV4Auth(Credentials(*key), service, "us-east-1").add_auth(request)
    return requests.get(url, headers=dict(request.headers), timeout=PATIENCE)


def test_pages_of_other_sites_cannot_read_the_metrics(observed: Observed) -> None:
    for headers in ({"Origin": "https://elsewhere.example"}, {"Host": "elsewhere.example"}):
        refused = requests.get(
            f"{observed.server.url}/metrics",
            headers={"Authorization": f"Bearer {observed.token}", **headers},
            timeout=PATIENCE,
        )
        assert refused.status_code == 403


def test_requests_to_all_processes_are_counted_exactly(
    observed: Observed, portraits: dict[str, bytes]
) -> None:
    before = observed.scrape()
    name = collection_of(observed)
    clients = [observed.client() for _ in range(6)]  # of both processes
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda each: each.describe_collection(CollectionId=name), clients * 3))
    image = {"Bytes": portraits["grace"]}
    for each in clients[:3]:
        each.index_faces(CollectionId=name, Image=image)
    assert clients[3].search_faces_by_image(CollectionId=name, Image=image)["FaceMatches"]
    with pytest.raises(ClientError):
        clients[4].create_collection(CollectionId=name)
    with pytest.raises(ClientError):
        clients[5].describe_collection(CollectionId="nothing")
    after = observed.scrape()
    assert after.growth(before, "requests_total") == Counter(
        {
            ("OK", "CreateCollection", "200"): 1,
            ("OK", "DescribeCollection", "200"): 18,
            ("OK", "IndexFaces", "200"): 3,
            ("OK", "SearchFacesByImage", "200"): 1,
            ("ResourceAlreadyExistsException", "CreateCollection", "400"): 1,
            ("ResourceNotFoundException", "DescribeCollection", "400"): 1,
        }
    )
    counts = {"CreateCollection": 2, "DescribeCollection": 19, "IndexFaces": 3}
    for operation, count in counts.items():
        series = "request_duration_seconds_count"
        assert after(series, operation=operation) - before(series, operation=operation) == count
    stages = after.growth(before, "image_stage_duration_seconds_count")
    assert stages == Counter(
        {("decoding",): 4, ("detection",): 4, ("description",): 3, ("embedding",): 4}
    )
    runs = after.growth(before, "inference_duration_seconds_count")
    assert {pack for _, pack in runs} == {"sface-dlib"}
    assert runs["detector", "sface-dlib"] >= 4
    assert after.growth(before, "search_duration_seconds_count") == Counter({("faces",): 1})
    assert after("decoded_pixels_total") > before("decoded_pixels_total")
    statuses = after.growth(before, "http_requests_total")
    assert statuses["rekognition", "200"] == 23
    assert statuses["rekognition", "400"] == 2
    assert name not in observed.text()


def test_names_that_callers_invent_make_no_series(observed: Observed) -> None:
    before = observed.scrape()
    for number in range(3):
        refused = requests.post(
            observed.server.url,
            headers={"X-Amz-Target": f"RekognitionService.Invented{number}"},
            data="{}",
            timeout=PATIENCE,
        )
        assert refused.status_code == 400
        scope = f"Credential=a/20260101/us-east-1/invented{number}/aws4_request"
        requests.get(
            f"{observed.server.url}/",
            headers={"Authorization": f"AWS4-HMAC-SHA256 {scope}, Signature=0"},
            timeout=PATIENCE,
        )
    after = observed.scrape()
    grown = after.growth(before, "requests_total")
    assert {operation for _, operation, _ in grown} == {"unknown"}
    assert sum(grown.values()) == 3
    assert "nvented" not in observed.text()


def test_counts_of_a_killed_process_remain(observed: Observed) -> None:
    clients = [observed.client() for _ in range(8)]
    before = observed.scrape()
    for each in clients:
        each.list_collections()
    (replica,) = _children(observed, "facedex_local.replica")
    replica.kill()
    after = _wait_for_another(observed, before)
    grown = after.growth(before, "requests_total")
    assert grown == Counter({("OK", "ListCollections", "200"): 8})
    folder = observed.server.directory / "metrics"
    assert not list(folder.glob(f"*_{replica.pid}.db"))


def test_workers_are_counted_with_their_work(
    observed: Observed, portraits: dict[str, bytes]
) -> None:
    before = observed.scrape()
    rekognition, storage = observed.client(), observed.client("s3")
    storage.create_bucket(Bucket="films")
    storage.put_object(Bucket="films", Key="a.mp4", Body=moving(portraits, "grace", seconds=1))
    video = {"S3Object": {"Bucket": "films", "Name": "a.mp4"}}
    job = rekognition.start_face_detection(Video=video)["JobId"]
    end = time.monotonic() + 4 * PATIENCE
    while rekognition.get_face_detection(JobId=job)["JobStatus"] == "IN_PROGRESS":
        assert time.monotonic() < end
        time.sleep(0.2)
    while True:  # a message counts when its function has returned
        after = observed.scrape()
        done = after.growth(before, "messages_total")
        # The plan and one segment; a message may also be delivered twice.
        if done["search_video_segment", "done"] >= 2:
            break
        assert time.monotonic() < end, done
        time.sleep(0.1)
    assert after.growth(before, "frames_analysed_total") == Counter({("stored",): 5})
    assert after("video_jobs", status="SUCCEEDED") == 1
    assert after("video_tasks") == 0
    assert after("processes", role="search_video_segment") >= 1
    assert after("process_resident_memory_bytes", role="search_video_segment") > 1e7


def test_queues_have_their_depth_and_the_age_of_the_oldest_message(observed: Observed) -> None:
    queue = observed.client("sqs").get_queue_url(QueueName="facedex-uploads-dead-letters")
    observed.client("sqs").send_message(QueueUrl=queue["QueueUrl"], MessageBody="{}")
    time.sleep(0.2)
    found = observed.scrape()
    dead = "uploads_dead_letters"
    assert found("queue_messages", queue=dead, state="waiting") == 1
    assert 0.2 <= found("queue_oldest_message_age_seconds", queue=dead) < PATIENCE
    assert found("queue_messages", queue="uploads") == 0
    assert found("queue_oldest_message_age_seconds", queue="uploads") == 0


def test_both_formats_have_every_metric_once_and_no_others(observed: Observed) -> None:
    observed.client().list_collections()
    families = {
        family.name: family
        for family in parse_open_metrics(  # type: ignore[no-untyped-call]
            observed.text(Accept="application/openmetrics-text")
        )
    }
    defined = {
        metric.full_name.removesuffix("_total"): metric
        for metric in METRICS
        if metric.place is not Place.DEPLOYMENT
    }
    assert families.keys() <= defined.keys()
    # Without an event, a metric with labels has no series.
    missing = {defined[each] for each in defined.keys() - families.keys()}
    assert all(metric.labels and metric.kind is not Kind.GAUGE for metric in missing)
    for name, family in families.items():
        assert family.type == defined[name].kind.value
        assert family.documentation == defined[name].help
        assert {label for each in family.samples for label in each.labels} <= LABELS
    plain = parse(observed.text())
    assert all(name.startswith(PREFIX) for name, _ in plain.samples)
    assert plain("database_up") == 1
    assert plain("packs_loaded") >= 2


def test_a_locked_database_does_not_fail_a_scrape(observed: Observed) -> None:
    url = Postgres(observed.server.directory).url
    observed.client().list_collections()
    with psycopg.connect(url) as connection:
        connection.execute("LOCK TABLE video_jobs IN ACCESS EXCLUSIVE MODE")
        found = observed.scrape(patience=10)  # as long as Prometheus waits
    assert found("database_up") == 0
    assert found("requests_total") > 0
    end = time.monotonic() + PATIENCE
    while observed.scrape()("database_up") != 1:
        assert time.monotonic() < end


def _children(observed: Observed, module: str) -> list[psutil.Process]:
    found = []
    for child in psutil.Process(observed.server.process.pid).children():
        with suppress(psutil.ZombieProcess, psutil.NoSuchProcess):
            if module in child.cmdline():
                found.append(child)
    return found


def _wait_for_another(observed: Observed, before: Scrape) -> Scrape:
    """Wait until a process has taken the place of one that was killed, and return the metrics.

    The gauges are then what they were: those of the killed process are no longer added.
    """
    end = time.monotonic() + PATIENCE
    gauges = ("processes", "database_connections_max", "packs_loaded")
    while True:
        after = observed.scrape()
        if all(after(each) == before(each) for each in gauges):
            return after
        assert time.monotonic() < end
        time.sleep(0.2)
