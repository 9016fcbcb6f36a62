"""The server's responses to schemathesis's generated requests match its OpenAPI document."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from PIL import Image
from schemathesis import checks

from facedex import __version__
from facedex.api.media_types import PHOTO_TYPES
from facedex.api.openapi.document import document
from facedex_cli.demo import portraits as public_portraits
from tests.e2e.streaming import definition, processors, remove

if TYPE_CHECKING:
    from tests.conftest import Server
    from tests.e2e.tables import Tables


def encoded(colour: str, kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (90, 90), colour).save(buffer, kind)
    return buffer.getvalue()


BLANK = [encoded("steelblue", kind) for kind in ("JPEG", "PNG")]
PHOTOS = st.one_of(
    st.binary(max_size=64),
    st.sampled_from([*BLANK, *(photo[: len(photo) // 2] for photo in BLANK)]),
    # Fetched by the first test, not when pytest collects this file.
    st.sampled_from(["eileen", "grace"]).map(lambda name: public_portraits.fetch()[name]),
)
for media_type in PHOTO_TYPES:
    schemathesis.openapi.media_type(media_type, PHOTOS)

BOUNDED = settings(
    max_examples=20, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck)
)
SCHEMA = schemathesis.openapi.from_dict(document(__version__))


@pytest.fixture(scope="module")
def filled(server: Server) -> Iterator[dict[str, str]]:
    """Return a collection with a face, a user and a stream processor, all deleted at the end."""
    client = server.client("rekognition")
    before = set(client.list_collections()["CollectionIds"])
    processors_before = processors(server)
    name = f"fuzz-{uuid4().hex}"
    client.create_collection(CollectionId=name)
    photo = public_portraits.fetch()["grace"]
    indexed = client.index_faces(CollectionId=name, Image={"Bytes": photo})
    client.create_user(CollectionId=name, UserId="grace")
    client.create_stream_processor(**definition(name, name))
    yield {
        "CollectionId": name,
        "FaceId": indexed["FaceRecords"][0]["Face"]["FaceId"],
        "UserId": "grace",
        "Name": name,
    }
    remove(server, processors(server) - processors_before)
    for made in set(client.list_collections()["CollectionIds"]) - before:
        client.delete_collection(CollectionId=made)


def has_null(document: Any) -> bool:
    """Return whether any member of a document is null."""
    if isinstance(document, list):
        return any(map(has_null, document))
    if isinstance(document, dict):
        return any(value is None or has_null(value) for value in document.values())
    return False


def call(case: Any, server: Server, tables: Tables) -> None:
    """Send a request, and check that a refusal changes no row of any table."""
    # AWS also answers 400 if a valid request names something that does not exist.
    excluded = [checks.positive_data_acceptance]
    # AWS treats a null member as absent.
    if has_null(case.body):
        excluded.append(checks.negative_data_rejection)
    before = tables.digests()
    response = case.call_and_validate(base_url=server.url, excluded_checks=excluded)
    assert response.status_code < 400 or tables.digests() == before


@SCHEMA.parametrize()
@BOUNDED
@pytest.mark.usefixtures("filled")
def test_answers_conform_to_the_document(case: Any, server: Server, tables: Tables) -> None:
    call(case, server, tables)


@SCHEMA.exclude(
    operation_id=["DeleteCollection", "DeleteStreamProcessor", "DeleteUser"]
).parametrize()
@BOUNDED
def test_answers_about_what_exists_conform_to_the_document(
    case: Any, server: Server, tables: Tables, filled: dict[str, str]
) -> None:
    for name in set(filled) & set(case.path_parameters):
        case.path_parameters[name] = filled[name]
    call(case, server, tables)
