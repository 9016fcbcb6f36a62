"""What several end-to-end tests need."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.e2e.plain_http import Rest
from tests.e2e.tables import Tables

if TYPE_CHECKING:
    from tests.conftest import Server


@pytest.fixture
def rest(server: Server) -> Iterator[Rest]:
    client = Rest(server.url)
    yield client
    client.close()


@pytest.fixture
def collection(rest: Rest) -> Iterator[str]:
    name = f"rest-{uuid4().hex}"
    rest.good("CreateCollection", CollectionId=name)
    yield name
    rest.good("DeleteCollection", CollectionId=name)


@pytest.fixture(scope="session")
def tables(server: Server) -> Iterator[Tables]:
    opened = Tables(server)
    yield opened
    opened.close()
