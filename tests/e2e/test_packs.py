"""`facedex up` and the packs that existing collections need."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import psycopg
import pytest
import urllib3

from facedex_local.postgres.cluster import Postgres
from facedex_models import installing
from facedex_models.manifests import attributes, manifest
from tests.conftest import Server


@pytest.fixture
def models(dlib_directory: Path, tmp_path: Path) -> Path:
    """Return a models directory with only opencv-zoo, whose networks are dlib's and never run."""
    directory = tmp_path / "models"
    pack = shutil.copytree(dlib_directory, directory / "opencv-zoo")
    (pack / "pack.toml").write_text(manifest("opencv-zoo").text, encoding="utf-8")
    return directory


def hold(directory: Path, *versions: str) -> None:
    """Add a collection for each of the model versions to the database of a stopped server."""
    postgres = Postgres(directory)
    try:
        with psycopg.connect(postgres.start(), autocommit=True) as connection:
            for number, version in enumerate(versions):
                connection.execute(
                    "INSERT INTO collections (collection_id, model_version) VALUES (%s, %s)",
                    (f"old-{number}", version),
                )
    finally:
        postgres.stop()


def test_packs_of_existing_collections_are_installed_at_the_start(
    models: Path, dlib_directory: Path, tmp_path: Path, portraits: dict[str, bytes]
) -> None:
    data = tmp_path / "data"
    first = Server(data, "--port=0", "--pack=dlib", FACEDEX_MODELS=str(dlib_directory.parent))
    client = first.client("rekognition")
    client.create_collection(CollectionId="staff")
    grace = {"Bytes": portraits["grace"]}
    client.index_faces(CollectionId="staff", Image=grace)
    assert first.stop() == 0
    hold(data, "3.1", "950.1", "950.1")

    server = Server(data, "--port=0", "--pack=opencv-zoo", FACEDEX_MODELS=str(models))
    health = urllib3.request("GET", f"{server.url}/health").json()
    assert health["models"] == "2.1"
    assert health["packs"] == {"dlib": "1.2", "opencv-zoo": "2.1"}
    assert installing.current(attributes(), directory=models)
    client = server.client("rekognition")
    (match,) = client.search_faces_by_image(CollectionId="staff", Image=grace)["FaceMatches"]
    assert match["Similarity"] > 99
    assert client.create_collection(CollectionId="new")["FaceModelVersion"] == "2.1"
    assert server.stop() == 0
    notes = [line for line in server.log.read_text().splitlines() if "collection" in line]
    assert notes[:2] == [
        "note: 1 collection needs the model pack buffalo_sc, which is not for commercial use; if"
        " you accept its licence, run: facedex models pull buffalo_sc --accept-license",
        "note: 2 collections need the model 950.1, which this release does not contain",
    ]


def test_a_pack_that_cannot_be_downloaded_is_reported_and_the_rest_is_served(
    models: Path, tmp_path: Path
) -> None:
    data, offline = tmp_path / "data", {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
    chosen = {"FACEDEX_MODELS": str(models), **offline}
    assert Server(data, "--port=0", "--pack=opencv-zoo", **chosen).stop() == 0
    hold(data, "1.2")
    server = Server(data, "--port=0", "--pack=opencv-zoo", **chosen)
    assert server.client("rekognition").list_collections()["CollectionIds"] == ["old-0"]
    assert server.stop() == 0
    lines = server.log.read_text().splitlines()
    *_, first, note = [line for line in lines if "could not be installed" in line]
    assert first.startswith(
        "note: requests for all attributes of faces need the model pack attributes, which could"
        " not be installed: pip"
    )
    assert note.startswith(
        "note: 1 collection needs the model pack dlib, which could not be installed: pip"
    )


def test_manifests_of_all_pulled_packs_are_brought_up_to_date_without_a_download(
    models: Path, dlib_directory: Path, tmp_path: Path
) -> None:
    pack = shutil.copytree(dlib_directory, models / "dlib")
    text = manifest("dlib").text
    (pack / "pack.toml").write_text(text.replace("number = 1\n", ""), encoding="utf-8")
    offline = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
    arguments = ("--port=0", "--pack=opencv-zoo", "--no-attributes")
    server = Server(tmp_path / "data", *arguments, FACEDEX_MODELS=str(models), **offline)
    made = server.client("rekognition").create_collection(
        CollectionId="staff", Tags={"facedex:pack": "dlib"}
    )
    assert made["FaceModelVersion"] == "1.2"
    assert server.stop() == 0
    assert (pack / "pack.toml").read_text(encoding="utf-8") == text
