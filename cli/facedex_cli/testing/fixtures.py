"""The pytest plugin: fixtures for tests that need real answers of the face API."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

import pytest

from facedex_cli.testing.server import CREDENTIALS, REGION, FacedexServer, ServerFailed, serving

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient

_regions: Final = itertools.count(1)


@pytest.fixture(scope="session")
def facedex_settings() -> Mapping[str, str]:
    """Return environment variables for the server; a ``conftest.py`` may replace this fixture."""
    return {}


@pytest.fixture(scope="session")
def facedex_server(facedex_settings: Mapping[str, str]) -> Iterator[FacedexServer]:
    """Run a Facedex server on a free port with a temporary data directory."""
    try:
        with serving(facedex_settings) as server:
            yield server
            return
    except ServerFailed as error:
        reason = str(error)
    pytest.fail(reason, pytrace=False)


@pytest.fixture
def facedex_region(request: pytest.FixtureRequest, facedex_server: FacedexServer) -> Iterator[str]:
    """Return a region of the server that has no collections and no stream processors.

    It is a region of the test's own, or the configured one for tests with ``facedex_environment``,
    because other stand-ins know only Amazon's regions. That one is emptied after the test.
    """
    if "facedex_environment" not in request.fixturenames:
        yield f"test-{next(_regions)}"
        return
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or REGION
    yield region
    facedex_server.empty(region)


@pytest.fixture
def rekognition(facedex_server: FacedexServer, facedex_region: str) -> RekognitionClient:
    """Return a boto3 client of the server, in the test's region."""
    client: RekognitionClient = facedex_server.client(region=facedex_region)
    return client


@pytest.fixture
def facedex_environment(
    facedex_server: FacedexServer, facedex_region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Set the environment so that every AWS SDK sends Rekognition's requests to the server.

    Other services keep their endpoints. Credentials are set only if the environment has none.
    """
    monkeypatch.setenv("AWS_ENDPOINT_URL_REKOGNITION", facedex_server.url)
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, facedex_region)
    if "AWS_PROFILE" not in os.environ and "AWS_ACCESS_KEY_ID" not in os.environ:
        for name, value in CREDENTIALS.items():
            monkeypatch.setenv(name, value)
