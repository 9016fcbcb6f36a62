"""Several servers on one Postgres are one service, while they are killed at random.

``FACEDEX_TEST_KILLS_SECONDS`` says for how long; CI takes less.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from facedex.store import access_keys
from facedex.store.access_keys import Permission
from facedex.store.database import Database
from facedex.store.encryption import Cipher
from facedex.vision import packs
from facedex_models.installing import models_directory
from facedex_models.manifests import DEFAULT
from tests.conftest import client_of, start
from tests.e2e import machines
from tests.e2e.films import moving
from tests.e2e.keys import create_key, facedex
from tests.e2e.machines import GALLERY, THRESHOLD, Fleet, Ledger, Searcher, Writer
from tests.e2e.restarting import Machine
from tests.ports import free_port

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"
SECONDS = float(os.environ.get("FACEDEX_TEST_KILLS_SECONDS", "12"))
SHORTEST, LONGEST = 1.0, 3.0  # seconds between kills


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, pack_directory: Path) -> Iterator[Fleet]:
    with machines.fleet(tmp_path_factory.mktemp("fleet"), pack_directory) as started:
        yield started


@pytest.fixture(scope="module")
def ledgers(fleet: Fleet, portraits: dict[str, bytes]) -> list[Ledger]:
    """Return an empty record of each person; the collection has a face of each, and others."""
    client = fleet.machines[0].client("rekognition")
    client.create_collection(CollectionId=GALLERY)
    seeds = [
        client.index_faces(CollectionId=GALLERY, Image={"Bytes": photo}, ExternalImageId=name)
        for name, photo in portraits.items()
    ]
    found = [Ledger(each["FaceRecords"][0]["Face"]["FaceId"]) for each in seeds]
    machines.fill(fleet, found[0].seed)
    return found


def test_every_answer_has_what_was_acknowledged_while_servers_are_killed(
    fleet: Fleet, ledgers: list[Ledger], portraits: dict[str, bytes]
) -> None:
    people = zip(ledgers, portraits.values(), strict=True)
    writers = [
        Writer(fleet, seed, ledger, machines.versions(photo, seed))
        for seed, (ledger, photo) in enumerate(people)
    ]
    searchers = [Searcher(fleet, number, ledgers) for number in range(len(fleet.machines))]
    killed: Counter[int] = Counter()

    def attack() -> None:
        kill_some(fleet, killed)
        # On a busy machine, nothing may have been deleted by then, and a server not been asked.
        end = time.monotonic() + 60
        while time.monotonic() < end and not (
            any(each.done["delete_faces"] for each in writers)
            and all(each.done["search_faces"] for each in searchers)
        ):
            time.sleep(0.1)

    machines.together([*writers, *searchers], attack)
    done = sum((each.done for each in (*writers, *searchers)), Counter[str]())
    print(f"killed {sorted(killed.values())}; {dict(done)}")
    assert len(killed) == len(fleet.machines), killed
    assert [wrong for each in searchers for wrong in each.wrongs] == []
    assert all(each.done["search_faces"] for each in searchers), done
    assert done["delete_faces"], done
    assert "Traceback" not in fleet.logs()
    compare_with_stored_vectors(fleet, ledgers)


def kill_some(fleet: Fleet, killed: Counter[int]) -> None:
    """Kill and restart each server at least once; one of them always runs."""
    chance, end = Random(int(SECONDS)), time.monotonic() + SECONDS
    numbers = range(len(fleet.machines))
    restarts: dict[int, Future[None]] = {}
    with ThreadPoolExecutor(len(fleet.machines)) as pool:
        while time.monotonic() < end or len(killed) < len(numbers):
            time.sleep(chance.uniform(SHORTEST, LONGEST))
            running = [n for n in numbers if n not in restarts or restarts[n].done()]
            if len(running) > 1:
                number = min(running, key=lambda n: (killed[n], chance.random()))
                killed[number] += 1
                restarts[number] = pool.submit(fleet.machines[number].kill)
    for each in restarts.values():
        each.result()


def compare_with_stored_vectors(fleet: Fleet, ledgers: list[Ledger]) -> None:
    """Check that each server gives the answers that follow from the stored vectors."""
    calibration = packs.load(models_directory() / DEFAULT).calibration
    ids, vectors = machines.stored(fleet, "faces", "face_id")
    users, means = machines.stored(fleet, "users", "user_id")
    for ledger in ledgers:
        kept = {each for each, life in ledger.faces.items() if life.removed == np.inf}
        assert kept <= set(ids)
        assert not {each for each in ledger.faces if each not in kept} & set(ids)
    probes = [ledger.seed for ledger in ledgers] + Random(1).sample(ids, 8)
    for each in fleet.machines:
        client = each.client("rekognition")
        for probe in probes:
            vector = vectors[ids.index(probe)]
            answer = client.search_faces(
                CollectionId=GALLERY, FaceId=probe, FaceMatchThreshold=THRESHOLD, MaxFaces=4096
            )
            expected = dict(zip(ids, calibration.similarities(vectors @ vector), strict=True))
            del expected[probe]
            require_matches(answer["FaceMatches"], expected, ("Face", "FaceId"))
            answer = client.search_users(
                CollectionId=GALLERY, FaceId=probe, UserMatchThreshold=THRESHOLD, MaxUsers=500
            )
            expected = dict(zip(users, calibration.similarities(means @ vector), strict=True))
            require_matches(answer["UserMatches"], expected, ("User", "UserId"))


def require_matches(matches: Any, expected: dict[str, float], key: tuple[str, str]) -> None:
    """Check an answer; scores that differ from the threshold by a rounding may be in it or not."""
    found = {match[key[0]][key[1]]: match["Similarity"] for match in matches}
    for name, similarity in found.items():
        assert similarity == pytest.approx(expected[name], abs=0.05)
    assert list(found.values()) == sorted(found.values(), reverse=True)
    missing = {name for name, each in expected.items() if each > THRESHOLD + 0.05} - found.keys()
    assert not missing


def test_a_page_token_of_one_server_continues_on_the_next(
    fleet: Fleet, ledgers: list[Ledger]
) -> None:
    assert ledgers
    found: list[str] = []
    more: dict[str, str] = {}
    for machine in itertools.cycle(fleet.machines):
        client = machine.client("rekognition")
        page = client.list_faces(CollectionId=GALLERY, MaxResults=1500, **more)
        found += (face["FaceId"] for face in page["Faces"])
        if "NextToken" not in page:
            break
        more = {"NextToken": page["NextToken"]}
    ids, _ = machines.stored(fleet, "faces", "face_id")
    assert found == sorted(ids)


def test_a_film_in_one_servers_s3_is_searched_by_this_server(
    fleet: Fleet, ledgers: list[Ledger], portraits: dict[str, bytes]
) -> None:
    first, second, third = fleet.machines
    assert ledgers
    s3 = second.client("s3")
    s3.create_bucket(Bucket="films")
    s3.put_object(Bucket="films", Key="door.mp4", Body=moving(portraits, *portraits, seconds=1))
    video = {"S3Object": {"Bucket": "films", "Name": "door.mp4"}}
    rekognition = second.client("rekognition")
    job_id = rekognition.start_face_search(Video=video, CollectionId=GALLERY)["JobId"]
    # Any server reports the job.
    answer = finished(third.client("rekognition"), job_id)
    assert answer["JobStatus"] == "SUCCEEDED", answer.get("StatusMessage")
    found = {
        match["Face"].get("ExternalImageId")
        for person in answer["Persons"]
        for match in person.get("FaceMatches", ())
    }
    assert found >= set(portraits)
    for idle in (first, third):
        assert idle.children("search_video_segment") == []


def finished(rekognition: Any, job_id: str) -> Any:
    """Return a server's answer about a job when it has ended."""
    end = time.monotonic() + 120
    answer = rekognition.get_face_search(JobId=job_id)
    while answer["JobStatus"] == "IN_PROGRESS" and time.monotonic() < end:
        time.sleep(0.1)
        answer = rekognition.get_face_search(JobId=job_id)
    return answer


def test_servers_with_one_s3_do_each_others_work(
    fleet: Fleet,
    ledgers: list[Ledger],
    portraits: dict[str, bytes],
    tmp_path: Path,
    pack_directory: Path,
) -> None:
    first = fleet.machines[0]
    s3, sqs = first.client("s3"), first.client("sqs")
    s3.create_bucket(Bucket="shared")
    s3.put_object(Bucket="shared", Key="door.mp4", Body=moving(portraits, "grace", seconds=1))
    video = {"S3Object": {"Bucket": "shared", "Name": "door.mp4"}}
    # The first server is the S3, SQS, SNS and Kinesis of this one.
    machine = Machine(
        tmp_path / "fourth",
        pack_directory,
        f"--database-url={fleet.database_url}",
        AWS_ENDPOINT_URL=first.url,
    )
    try:
        rekognition = machine.client("rekognition")
        job_id = rekognition.start_face_search(Video=video, CollectionId=GALLERY)["JobId"]
        assert finished(rekognition, job_id)["JobStatus"] == "SUCCEEDED"
        key = f"{GALLERY}/grace-by-upload.jpg"
        s3.put_object(
            Bucket="uploads", Key=key, Body=next(machines.versions(portraits["grace"], 99))
        )
        end = time.monotonic() + 60
        while not (
            found := fleet.rows(
                "SELECT 1 FROM faces WHERE external_image_id LIKE %s", "%grace-by-upload%"
            )
        ):
            assert time.monotonic() < end
            time.sleep(0.1)
        assert len(found) == 1
    finally:
        assert machine.server.stop() == 0
    assert ledgers
    assert len(sqs.list_queues()["QueueUrls"]) >= 4


def test_a_server_with_another_keys_secret_is_refused(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack_directory: Path
) -> None:
    monkeypatch.setenv("FACEDEX_MODELS", str(pack_directory.parent))
    url = f"--database-url={fleet.database_url}"
    other, log = tmp_path / "two", tmp_path / "log"
    database = Database(fleet.database_url)
    with database.transaction() as connection:
        made = access_keys.create(
            connection, Cipher("32 characters of another secret"), Permission.ALL
        )
    with start(other, "--port=0", "--auth=keys", url, log=log) as process:
        assert process.wait(60) == 1
    sentence = (
        "Error: 1 of 1 enabled access keys in the database were encrypted under another"
        " keys.secret: copy that file from the data directory of the server that created them,"
        " or delete these keys.\n"
    )
    assert log.read_text() == sentence
    assert facedex("keys", "create", f"--data-dir={other}", url).stderr == sentence
    with database.transaction() as connection:
        access_keys.delete(connection, made.key.access_key_id)
    database.close()
    create_key(other, url)


def listens(port: int) -> bool:
    """Return whether a program accepts connections on a port."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_the_pages_load_balancer_sends_requests_to_servers_that_run(
    fleet: Fleet, ledgers: list[Ledger], tmp_path: Path
) -> None:
    haproxy = shutil.which("haproxy")
    if haproxy is None:
        pytest.skip("haproxy is not installed")
    (configuration,) = re.findall(r"```haproxy\n(.*?)```", PAGE.read_text(), re.DOTALL)
    port = free_port()
    for number, each in enumerate(fleet.machines):
        address = each.url.removeprefix("http://")
        configuration = configuration.replace(f"10.0.0.{11 + number}:9000", address)
    assert "10.0.0." not in configuration
    file = tmp_path / "haproxy.cfg"
    file.write_text(configuration.replace("bind :9000", f"bind 127.0.0.1:{port}"))
    subprocess.run([haproxy, "-c", "-f", file], check=True, capture_output=True)
    balancer = subprocess.Popen([haproxy, "-f", file], stdin=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 60
        while not listens(port):
            assert time.monotonic() < end
            time.sleep(0.05)
        client = client_of(f"http://127.0.0.1:{port}", "rekognition")
        probe = {"CollectionId": GALLERY, "FaceId": ledgers[0].seed, "MaxFaces": 3}
        expected = client.search_faces(**probe)["FaceMatches"]
        with ThreadPoolExecutor(1) as pool:
            restart = pool.submit(fleet.machines[1].kill)
            answers = 0
            while not restart.done() or answers < 20:
                assert client.search_faces(**probe)["FaceMatches"] == expected
                answers += 1
            restart.result()
    finally:
        balancer.terminate()
        balancer.wait(60)
