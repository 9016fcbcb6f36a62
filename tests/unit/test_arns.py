"""A request's region is read from its signature, and ARNs have that region's partition."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import botocore
import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from facedex.api.arns import Owner, partition_of, signed_region

_HEADER = (
    "AWS4-HMAC-SHA256 Credential={credential},{space}SignedHeaders=host;x-amz-date,"
    "{space}Signature=00"
)


def header(credential: str, space: str = " ") -> dict[str, str]:
    return {"authorization": _HEADER.format(credential=credential, space=space)}


def test_every_region_that_botocore_knows_has_its_partition() -> None:
    data = Path(botocore.__file__).parent / "data" / "partitions.json"
    partitions = json.loads(data.read_text())["partitions"]
    assert len(partitions) >= 8
    for partition in partitions:
        for region in partition["regions"]:
            if "global" not in region:
                assert partition_of(region) == partition["id"], region


@pytest.mark.parametrize("service", ["rekognition", "execute-api"])
@pytest.mark.parametrize("space", [" ", ""])
@pytest.mark.parametrize("key", ["testing", "AKIA1234567890123456", "key/with/slashes"])
def test_the_region_is_that_of_the_authorization_header(service: str, space: str, key: str) -> None:
    credential = f"{key}/20260101/us-gov-west-1/{service}/aws4_request"
    assert signed_region(header(credential, space)) == "us-gov-west-1"


def test_the_region_of_a_presigned_url_is_that_of_its_credential() -> None:
    request = AWSRequest("POST", "http://127.0.0.1:9000/")
    signer = SigV4QueryAuth(Credentials("testing", "testing"), "rekognition", "eu-west-3")
    signer.add_auth(request)
    assert signed_region({}, parse_qs(urlsplit(str(request.url)).query)) == "eu-west-3"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer token"},
        header("testing"),
        # Without a region: Signature Version 4a, whose region is in another header.
        header("testing/20260101/rekognition/aws4_request"),
        header("testing/20260101/US-EAST-1/rekognition/aws4_request"),
        header("testing/20260101/us east 1/rekognition/aws4_request"),
        header("testing/20260101/us-east-1/rekognition/aws4_request_and_more"),
    ],
)
def test_a_request_without_a_valid_scope_has_no_region(headers: dict[str, str]) -> None:
    assert signed_region(headers) is None


def test_arns_are_read_as_they_are_written() -> None:
    for region in ("us-east-1", "cn-north-1", "us-gov-east-1", "eusc-de-east-1"):
        owner = Owner("123456789012", region)
        arn = owner.stream_processor_arn("door")
        assert arn.split(":")[1] == partition_of(region)
        assert owner.resource(arn)[1] == "door"
