"""The stack, synthesised once for each variant of the settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest

from tests.infra.gateway import Gateway
from tests.infra.synthesis import Synthesis, synthesise

_TOPIC: Final = "arn:aws:sns:eu-central-1:111122223333:done"
_DOOR: Final = "arn:aws:kinesisvideo:eu-central-1:111122223333:stream/door/1767268800000"
_YARD: Final = "arn:aws:kinesisvideo:eu-central-1:111122223333:stream/yard/1767268800001"
_SEEN: Final = "arn:aws:kinesis:eu-central-1:111122223333:stream/seen"

PROFILE: Final = "arn:aws:signer:eu-central-1:111122223333:/signing-profiles/facedex/AbCdEf1234"
SECRET: Final = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:faces/db-AbCdEf"
KEY: Final = "arn:aws:kms:eu-central-1:111122223333:key/0f3e6f4a-5a0b-4a8e-9d0e-2f6d8d1c7b11"

VARIANTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "default": {},
    # Text, as on the command line.
    "keys": {
        "environment": "keys",
        "auth": "keys",
        "console": "true",
        "snapstart": "true",
        "retention": "retain",
        "architecture": "x86_64",
        "gallery_memory": "3000",
        "streams": "true",
        "video_streams": f"{_DOOR},{_YARD}",
        "data_streams": _SEEN,
    },
    "private": {
        "environment": "private",
        "auth": "none",
        "console": True,
        "endpoint": "private",
        "vpc_endpoints": ["vpce-0a1b2c3d"],
        "uploads": False,
        "gallery_memory": 0,
        "min_capacity": 0.5,
        "proxy": True,
        "readers": 1,
        "retention": "snapshot",
        "dashboard": False,
        "tracing": False,
        "alarm_topic": _TOPIC,
    },
    "hardened": {
        "environment": "hard",
        "auth": "keys",
        "audit": "all",
        "audit_days": "400",
        "kms_key": "create",
        "flow_logs": "all",
        "database_logs": "true",
        "code_signing": PROFILE,
        "versioning": "true",
        "versions_days": "7",
        "video": "true",
        "retention": "snapshot",
        "alarm_email": "somebody@example.com",
    },
    "existing": {
        "environment": "existing",
        "auth": "keys",
        "database_url": "postgresql://faces_app@db.example.com/faces",
        "database_auth": "password",
        "database_secret": SECRET,
        "database_secret_key": KEY,
        "subnet_ids": "subnet-0a1b2c3d,subnet-0a1b2c3e",
        "security_group_ids": "sg-0a1b2c3d",
        "video": "true",
        "retention": "retain",
    },
    "full": {
        "environment": "full",
        "console": True,
        "waf": True,
        "alarm_email": "somebody@example.com",
        "bulk": True,
        "bulk_buckets": ["my-albums", "my-scans"],
        "bulk_reports": "my-reports/facedex",
        "bulk_concurrency": 7,
        "video": True,
        "topics": [_TOPIC],
        "streams": True,
        "streams_concurrency": 4,
        "video_streams": [_DOOR, _YARD],
        "data_streams": [_SEEN],
        "sweep_minutes": 5,
        "image_buckets": ["my-photos"],
        "provisioned": 2,
        "uploads_days": 30,
        "versioning": True,
        "kms_key": KEY,
        "flow_logs": "rejected",
        "delete_faces": True,
        "metrics": True,
        "endpoint_zones": 2,
        "gateway_log_role": False,
    },
}


@pytest.fixture(scope="session")
def _syntheses() -> dict[str, Synthesis]:
    return {}


@pytest.fixture(scope="session")
def synthesis_of(
    cdk: None, tmp_path_factory: pytest.TempPathFactory, _syntheses: dict[str, Synthesis]
) -> Any:
    """Return the synthesis of each variant, made on first use."""

    def find(name: str) -> Synthesis:
        if name not in _syntheses:
            directory = tmp_path_factory.mktemp("synthesis") / name
            certificates = directory.with_name("bundle.pem")
            certificates.write_text("-----BEGIN CERTIFICATE-----")
            more = {"database_ca": str(certificates)} if name == "keys" else {}
            _syntheses[name] = synthesise({**VARIANTS[name], **more}, directory)
        return _syntheses[name]

    return find


@pytest.fixture(params=VARIANTS)
def synthesis(request: pytest.FixtureRequest, synthesis_of: Any) -> Synthesis:
    """Return the synthesis of each variant in turn."""
    found: Synthesis = synthesis_of(request.param)
    return found


@pytest.fixture
def default(synthesis_of: Any) -> Synthesis:
    """Return the synthesis with default settings."""
    found: Synthesis = synthesis_of("default")
    return found


@pytest.fixture
def gateways() -> Iterator[list[Gateway]]:
    """Return a list for gateways, which are closed after the test."""
    made: list[Gateway] = []
    yield made
    for gateway in made:
        gateway.close()
