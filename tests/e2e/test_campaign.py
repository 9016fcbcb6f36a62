"""The campaign's clients report what a server loses, and nothing of a server that loses nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.campaign.mix import Client, clients
from tests.campaign.oracle import removing
from tests.campaign.tally import Kind, Tally
from tests.campaign.views import views

if TYPE_CHECKING:
    from tests.conftest import Server
    from tests.e2e.tables import Tables

CALLS = 40


@pytest.fixture
def tally(tmp_path: Path) -> Tally:
    return Tally("kills", "seed", tmp_path)


@pytest.fixture
def client(server: Server, portraits: dict[str, bytes], tally: Tally) -> Iterator[Client]:
    """Return a client that has made random calls and one more face."""
    name = f"campaign-{uuid4().hex}"
    rekognition = server.client("rekognition")
    rekognition.create_collection(CollectionId=name)
    (made,) = clients(server.url, name, views(portraits), tally, Random, 1)
    for _ in range(CALLS):
        made.step()
    made.index()
    yield made
    # Other tests compare the tables of this server, from which a test deletes a row by SQL.
    for left in rekognition.list_collections()["CollectionIds"]:
        if left.startswith(name):
            rekognition.delete_collection(CollectionId=left)


def test_a_server_that_loses_nothing_passes(client: Client, tally: Tally) -> None:
    client.audit()
    assert tally.incidents == []
    assert tally.checked > 0
    assert tally.doubtful == 0


def test_a_face_that_disappears_is_lost(client: Client, tally: Tally, tables: Tables) -> None:
    name = max(fact[1] for fact in client.oracle.state if fact[0] == "face")
    tables.rows(f"DELETE FROM faces WHERE external_image_id = '{name}' RETURNING face_id")
    client.audit()
    # More than one if the face belonged to a user, which has then lost it too.
    assert {incident.kind for incident in tally.incidents} == {Kind.LOST}
    assert any(name in incident.sentence for incident in tally.incidents)


def test_a_deleted_face_that_is_found_is_lost(client: Client, tally: Tally) -> None:
    face = next(fact for fact in client.oracle.state if fact[0] == "face")
    client.oracle.acknowledge(removing(face))
    client.audit()
    assert [incident.kind for incident in tally.incidents] == [Kind.LOST]
    assert face[1] in tally.incidents[0].sentence
