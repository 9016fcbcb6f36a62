"""One process serves collections of several model packs, with a limited number loaded at once."""

from __future__ import annotations

import gc
import shutil
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from facedex.runtime import model_packs, services
from facedex.vision import images
from facedex.vision.shelf import Shelf
from facedex.vision.vision_errors import PackMissing, PackNotInstalled
from tests.integration.galleries import while_looking
from tests.integration.streaming import Configure, Stage
from tests.model_copies import copy


@pytest.fixture
def models(dlib_directory: Path, tmp_path: Path) -> Path:
    """Return a models directory with the packs one, two and three."""
    directory = tmp_path / "models"
    for number, name in enumerate(("one", "two", "three"), 901):
        copy(dlib_directory, directory, name, number)
    return directory


def test_packs_are_found_by_name_and_by_version(models: Path) -> None:
    shelf = Shelf(models, limit=2)
    assert shelf.installed() == {"one": "901.1", "three": "903.1", "two": "902.1"}
    assert shelf.named("one", threads=1).model_version == "901.1"
    assert shelf.of_version("902.1", threads=1).name == "two"
    assert shelf.of_version("901.1", threads=1) is shelf.named("one", threads=1)
    assert shelf.named("one", threads=2) is not shelf.named("one", threads=1)


def test_a_pack_that_is_pulled_later_is_found_without_a_restart(
    models: Path, dlib_directory: Path
) -> None:
    shelf = Shelf(models, limit=2)
    with pytest.raises(PackNotInstalled, match=r"FaceModelVersion 904\.1 is not installed"):
        shelf.of_version("904.1", threads=1)
    copy(dlib_directory, models, "four", 904)
    assert shelf.of_version("904.1", threads=1).name == "four"
    assert shelf.named("one", threads=1).model_version == "901.1"
    shutil.rmtree(models / "one")
    copy(dlib_directory, models, "one", 901, "2")
    assert shelf.of_version("901.2", threads=1).model_version == "901.2"


def test_the_networks_of_an_evicted_pack_are_freed(
    models: Path, portraits: dict[str, bytes]
) -> None:
    shelf, opened = Shelf(models, limit=2), []
    image = images.decode(portraits["grace"], max_pixels=64_000_000)
    for name in ("one", "two", "three", "one", "three"):
        pack = shelf.named(name, threads=1)
        pack.embed(image, pack.detect(image))
        opened.append((name, weakref.ref(pack.detector.network.open())))
        del pack
    gc.collect()
    alive = [name for name, session in opened if session() is not None]
    assert sorted(set(alive)) == ["one", "three"]
    assert [name for name, session in opened[:2] if session() is not None] == []


def test_an_evicted_pack_keeps_working_while_in_use(
    models: Path, portraits: dict[str, bytes]
) -> None:
    shelf = Shelf(models, limit=1)
    image = images.decode(portraits["grace"], max_pixels=64_000_000)
    pack = shelf.named("one", threads=1)
    found = pack.detect(image)
    shelf.named("two", threads=1).open()
    assert pack.embed(image, found).shape == (1, pack.dimension)


@pytest.fixture
def several(
    service: None, stage: Stage, models: Path, configure: Configure, dlib_directory: Path
) -> Iterator[Path]:
    """Return the service with the packs dlib (the default), one, two and three."""
    (models / "dlib").symlink_to(dlib_directory)
    configure(MODELS=models, PACK="dlib")
    model_packs._shelf.cache_clear()
    client = stage.client("rekognition")
    client.delete_collection(CollectionId="staff")
    client.create_collection(CollectionId="staff")
    yield models
    model_packs._shelf.cache_clear()


@pytest.fixture
def rekognition(several: Path, stage: Stage) -> Any:
    """Return an unmodified boto3 client of the service."""
    return stage.client("rekognition")


def refused(call: Callable[..., Any], **request: Any) -> tuple[str, str]:
    """Return the code and the message of a call's error."""
    with pytest.raises(ClientError) as raised:
        call(**request)
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


def make(rekognition: Any, *packs: str) -> None:
    """Create a collection for each of these packs, with the same name."""
    for name in packs:
        rekognition.create_collection(CollectionId=name, Tags={"facedex:pack": name})


def test_each_collection_is_served_by_its_own_pack(
    rekognition: Any, portraits: dict[str, bytes]
) -> None:
    grace = {"Bytes": portraits["grace"]}
    made = rekognition.create_collection(CollectionId="default")
    assert made["FaceModelVersion"] == "1.2"
    made = rekognition.create_collection(CollectionId="two", Tags={"facedex:pack": "two"})
    assert made["FaceModelVersion"] == "902.1"
    for name, version in (("default", "1.2"), ("two", "902.1")):
        indexed = rekognition.index_faces(CollectionId=name, Image=grace)
        (record,) = indexed["FaceRecords"]
        face_id = record["Face"]["FaceId"]
        rekognition.create_user(CollectionId=name, UserId="grace")
        given = rekognition.associate_faces(CollectionId=name, UserId="grace", FaceIds=[face_id])
        assert [each["FaceId"] for each in given["AssociatedFaces"]] == [face_id]
        answers = [
            indexed,
            rekognition.describe_collection(CollectionId=name),
            rekognition.list_faces(CollectionId=name),
            rekognition.search_faces(CollectionId=name, FaceId=face_id),
            rekognition.search_faces_by_image(CollectionId=name, Image=grace),
            rekognition.search_users(CollectionId=name, FaceId=face_id),
            rekognition.search_users_by_image(CollectionId=name, Image=grace),
        ]
        assert [answer["FaceModelVersion"] for answer in answers] == [version] * len(answers)
        assert record["Face"]["IndexFacesModelVersion"] == version
        assert answers[2]["Faces"][0]["IndexFacesModelVersion"] == version
        (match,) = answers[4]["FaceMatches"]
        assert match["Face"]["IndexFacesModelVersion"] == version
        assert match["Similarity"] > 99
        assert len(answers[5]["UserMatches"]) == len(answers[6]["UserMatches"]) == 1
    listed = rekognition.list_collections()
    versions = dict(zip(listed["CollectionIds"], listed["FaceModelVersions"], strict=True))
    assert versions == {"default": "1.2", "staff": "1.2", "two": "902.1"}


def test_parallel_requests_for_more_packs_than_are_kept_are_all_answered(
    rekognition: Any, portraits: dict[str, bytes]
) -> None:
    names = ("one", "two", "three")
    make(rekognition, *names)
    grace = {"Bytes": portraits["grace"]}
    for name in names:
        rekognition.index_faces(CollectionId=name, Image=grace)

    def search(name: str) -> list[float]:
        found = rekognition.search_faces_by_image(CollectionId=name, Image=grace)
        return [round(match["Similarity"]) for match in found["FaceMatches"]]

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(search, names * 6)) == [[100]] * 18


def test_an_unknown_pack_is_refused_with_the_names_of_those_installed(rekognition: Any) -> None:
    create = rekognition.create_collection
    for value in ("no-such", "../models/one", ""):
        code, message = refused(create, CollectionId="new", Tags={"facedex:pack": value})
        assert code == "InvalidParameterException"
        assert "Installed packs: dlib, one, three, two. " in message
    assert "new" not in rekognition.list_collections()["CollectionIds"]


def test_a_collection_keeps_the_tag_of_its_pack(rekognition: Any) -> None:
    arn = rekognition.create_collection(CollectionId="new", Tags={"facedex:pack": "one"})
    arn = arn["CollectionArn"]
    rekognition.tag_resource(ResourceArn=arn, Tags={"facedex:pack": "one", "team": "flight"})
    code, message = refused(
        rekognition.tag_resource, ResourceArn=arn, Tags={"facedex:pack": "two", "team": "ground"}
    )
    assert code == "InvalidParameterException"
    assert "keeps its model pack" in message
    assert "facedex collections upgrade new --from" in message
    code, message = refused(
        rekognition.untag_resource, ResourceArn=arn, TagKeys=["team", "facedex:pack"]
    )
    assert (code, "keeps" in message) == ("InvalidParameterException", True)
    tags = rekognition.list_tags_for_resource(ResourceArn=arn)["Tags"]
    assert tags == {"facedex:pack": "one", "team": "flight"}


def test_a_collection_without_the_tag_may_take_the_name_of_its_pack(rekognition: Any) -> None:
    arn = rekognition.describe_collection(CollectionId="staff")["CollectionARN"]
    rekognition.untag_resource(ResourceArn=arn, TagKeys=["facedex:pack"])
    refused(rekognition.tag_resource, ResourceArn=arn, Tags={"facedex:pack": "two"})
    rekognition.tag_resource(ResourceArn=arn, Tags={"facedex:pack": "dlib"})
    assert rekognition.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"facedex:pack": "dlib"}


@pytest.mark.parametrize(
    ("version", "words"),
    [
        (
            "3.1",
            "made with the model pack buffalo_sc (FaceModelVersion 3.1), which is not "
            "installed here; install it with `facedex models pull buffalo_sc`",
        ),
        (
            "1.1",
            "made with version 1.1 of the model pack dlib, which is not installed here; 1.2 is",
        ),
        ("950.1", "made with a model pack with the FaceModelVersion 950.1, which is not installed"),
    ],
)
def test_a_collection_whose_pack_is_not_installed_is_refused_alone_and_keeps_its_faces(
    rekognition: Any, portraits: dict[str, bytes], version: str, words: str
) -> None:
    grace = {"Bytes": portraits["grace"]}
    (record,) = rekognition.index_faces(CollectionId="staff", Image=grace)["FaceRecords"]
    face_id = record["Face"]["FaceId"]
    rekognition.create_collection(CollectionId="other")
    with services.database().transaction() as connection:
        connection.execute(
            "UPDATE collections SET model_version = %s WHERE collection_id = 'staff'", (version,)
        )
    for call, request in (
        (rekognition.index_faces, {"Image": grace}),
        (rekognition.search_faces_by_image, {"Image": grace}),
        (rekognition.search_users_by_image, {"Image": grace}),
        (rekognition.search_faces, {"FaceId": face_id}),
        (rekognition.search_users, {"FaceId": face_id}),
        (rekognition.associate_faces, {"UserId": "x", "FaceIds": [face_id]}),
    ):
        code, message = refused(call, CollectionId="staff", **request)
        assert code == "InvalidParameterException"
        assert f"The collection staff was {words}" in message
    assert len(rekognition.list_faces(CollectionId="staff")["Faces"]) == 1
    assert rekognition.describe_collection(CollectionId="staff")["FaceModelVersion"] == version
    assert len(rekognition.index_faces(CollectionId="other", Image=grace)["FaceRecords"]) == 1


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("embedder.onnx", None, "The model pack one is not installed or incomplete; fetch it with"),
        (
            "embedder.onnx",
            b"no network",
            "The file embedder.onnx of the model pack one was altered",
        ),
        ("detector.onnx", b"", "The file detector.onnx of the model pack one was altered"),
        ("pack.toml", b"\xff", "The collection one was made with"),
    ],
)
def test_a_damaged_pack_is_reported_and_other_packs_are_served(
    rekognition: Any,
    several: Path,
    portraits: dict[str, bytes],
    file: str,
    content: bytes | None,
    words: str,
) -> None:
    make(rekognition, "one", "two")
    model_packs._shelf.cache_clear()
    (several / "one" / file).unlink()
    if content is not None:
        (several / "one" / file).write_bytes(content)
    grace = {"Bytes": portraits["grace"]}
    code, message = refused(rekognition.index_faces, CollectionId="one", Image=grace)
    assert code in ("InternalServerError", "InvalidParameterException")
    assert words in message
    assert str(several) not in message
    assert len(rekognition.index_faces(CollectionId="two", Image=grace)["FaceRecords"]) == 1


def test_altered_weights_are_found_when_a_pack_is_loaded(
    models: Path, dlib_directory: Path
) -> None:
    network = models / "one" / "embedder.onnx"
    network.unlink()
    content = bytearray((dlib_directory / "embedder.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    network.write_bytes(content)
    with pytest.raises(PackMissing, match=r"embedder\.onnx of the model pack one was altered"):
        Shelf(models, limit=1).named("one", threads=1).open()


@pytest.mark.parametrize("operation", ["index", "search", "search users"])
def test_a_request_during_an_upgrade_is_answered_with_the_new_pack(
    operation: str,
    rekognition: Any,
    portraits: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    grace = {"Bytes": portraits["grace"]}
    rekognition.index_faces(CollectionId="staff", Image=grace)
    left = ["902.1"]

    def upgrade() -> None:
        if left:
            with services.database().transaction() as connection:
                connection.execute("UPDATE collections SET model_version = %s", (left.pop(),))

    while_looking(monkeypatch, upgrade)
    if operation == "index":
        answer = rekognition.index_faces(CollectionId="staff", Image=grace)
        assert answer["FaceRecords"][0]["Face"]["IndexFacesModelVersion"] == "902.1"
    elif operation == "search users":
        answer = rekognition.search_users_by_image(CollectionId="staff", Image=grace)
    else:
        answer = rekognition.search_faces_by_image(CollectionId="staff", Image=grace)
        assert answer["FaceMatches"][0]["Face"]["IndexFacesModelVersion"] == "902.1"
    assert answer["FaceModelVersion"] == "902.1"
