"""Upload forms of browsers are accepted as a signed policy says, and in no other way."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
from base64 import b64decode, b64encode
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.unit.guarded import FULL, client, keys, running_with, stored
from tests.unit.test_guard_s3 import VERSIONS

BUCKET = "guarded-forms"
OTHER = "guarded-other-forms"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running_with(BUCKET, OTHER) as address:
        yield address


def post(form: dict[str, Any], content: bytes = b"photo", **changes: str | None) -> Any:
    fields = {name.replace("_", "-"): value for name, value in changes.items()}
    data = {
        name: value for name, value in {**form["fields"], **fields}.items() if value is not None
    }
    return requests.post(form["url"], data=data, files={"file": ("a.jpg", content)})


@pytest.mark.parametrize("config", VERSIONS)
def test_an_upload_form_is_accepted_as_its_policy_says(url: str, config: dict[str, Any]) -> None:
    s3 = client(url, "s3", **config)
    form = s3.generate_presigned_post(
        BUCKET,
        "up/${filename}",
        Fields={"acl": "private", "Content-Type": "image/jpeg"},
        Conditions=[
            {"acl": "private"},
            ["starts-with", "$Content-Type", "image/"],
            ["content-length-range", 1, 10],
        ],
    )
    assert post(form).status_code == 204
    assert stored(url, BUCKET, "up/a.jpg") == b"photo"
    refused = [
        post(form, b""),
        post(form, bytes(11)),
        post(form, acl="public-read"),
        post(form, acl=None),
        post(form, Content_Type="text/html"),
        post(form, key="other/a.jpg"),
        post(form, key=None),
        post(form, policy=None),
        post(form, success_action_redirect="http://evil.example"),
        post(form, x_amz_meta_a="b"),
        post(form, bucket=OTHER),
        post(form, tagging="x"),
        post(form, policy=weaker(form["fields"]["policy"])),
        post({**form, "url": f"{url}/{OTHER}"}),
        post({**form, "url": f"{form['url']}?delete"}),
        post({**form, "url": f"{form['url']}?acl"}),
        post({**form, "url": f"{form['url']}/key"}),
        requests.post(form["url"], data=form["fields"], files={"other": b"x"}),
        requests.post(form["url"], data=form["fields"], files=[("file", b"x"), ("file", b"y")]),
        requests.post(form["url"], data=form["fields"], files={"file": b"x", "z": b"y"}),
        requests.post(
            form["url"],
            data=form["fields"],
            files={"file": b"x"},
            headers={"x-amz-acl": "public-read"},
        ),
    ]
    for at, answer in enumerate(refused):
        assert answer.status_code in (400, 403), (at, answer.text)
    assert keys(url, OTHER) == {"kept"}
    names = [name for name in form["fields"] if name.lower().endswith(("signature", "keyid"))]
    names += [name for name in form["fields"] if name.startswith("x-amz-")]
    for name in names:
        for value in ("", "x", form["fields"][name] + "0"):
            changed = {**form["fields"], name: value}
            answer = requests.post(form["url"], data=changed, files={"file": b"x"})
            assert answer.status_code in (400, 403), (name, value)


def weaker(policy: str) -> str:
    document = json.loads(b64decode(policy))
    document["conditions"] = [{"bucket": BUCKET}, ["starts-with", "$key", ""]]
    return b64encode(json.dumps(document).encode()).decode()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        (f"{OTHER}.localhost", 403),
        (f"{OTHER}.localhost:1", 403),
        (f"{OTHER}.s3.localhost", 204),
        (f"{OTHER}.example.com", 204),
        (f"{OTHER}.s3.amazonaws.com", 204),
        ("localhost", 204),
    ],
)
@pytest.mark.parametrize("config", VERSIONS)
def test_the_host_of_a_form_selects_no_other_bucket(
    url: str, config: dict[str, Any], host: str, status: int
) -> None:
    form = client(url, "s3", **config).generate_presigned_post(BUCKET, "by-host")
    answer = requests.post(
        form["url"], data=form["fields"], files={"file": b"x"}, headers={"Host": host}
    )
    assert answer.status_code == status
    assert keys(url, OTHER) == {"kept"}
    assert "by-host" in keys(url, BUCKET) or status == 403


@pytest.mark.parametrize("config", VERSIONS)
def test_buckets_may_be_named_by_the_host(url: str, config: dict[str, Any]) -> None:
    named = url.replace("127.0.0.1", "localhost")
    s3 = client(named, "s3", **config, s3={"addressing_style": "virtual"})
    host = f"{BUCKET}.{urlsplit(named).netloc}"
    form = s3.generate_presigned_post(BUCKET, "in-host")
    assert form["url"] == f"http://{host}/"
    content = {"data": form["fields"], "files": {"file": b"posted"}}
    assert requests.post(f"{url}/", **content, headers={"Host": host}).status_code == 204
    assert stored(url, BUCKET, "in-host") == b"posted"
    other = {"Host": host.replace(BUCKET, OTHER)}
    assert requests.post(f"{url}/", **content, headers=other).status_code == 403
    signed = s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "in-host"})
    target = signed.replace(f"http://{host}", url)
    assert requests.get(target, headers={"Host": host}).content == b"posted"
    assert requests.get(target, headers=other).status_code == 403
    assert keys(url, OTHER) == {"kept"}


def test_an_expired_or_malformed_policy_is_refused(url: str) -> None:
    documents: list[Any] = [
        {"expiration": "2020-01-01T00:00:00Z", "conditions": [{"bucket": BUCKET}]},
        {"expiration": "2020-01-01T00:00:00", "conditions": [{"bucket": BUCKET}]},
        {"expiration": "tomorrow", "conditions": []},
        {"expiration": "2999-01-01T00:00:00Z", "conditions": [["matches", "$key", "x"]]},
        {"expiration": "2999-01-01T00:00:00Z", "conditions": [["eq", "key", "x"]]},
        {"expiration": "2999-01-01T00:00:00Z", "conditions": [{}]},
        {"expiration": "2999-01-01T00:00:00Z", "conditions": [{"key": "a", "bucket": "b"}]},
        {"expiration": "2999-01-01T00:00:00Z", "conditions": []},
        {"expiration": "2999-01-01T00:00:00Z"},
        {"conditions": []},
        [],
        "x",
        None,
    ]
    for document in documents:
        policy = b64encode(json.dumps(document).encode()).decode()
        signature = hmac.new(FULL.secret.encode(), policy.encode(), hashlib.sha1).digest()
        fields = {
            "key": "planted",
            "AWSAccessKeyId": FULL.key.access_key_id,
            "policy": policy,
            "signature": b64encode(signature).decode(),
        }
        answer = requests.post(f"{url}/{BUCKET}", data=fields, files={"file": b"x"})
        assert answer.status_code in (400, 403), document
    assert "planted" not in keys(url, BUCKET)


def test_a_strangers_file_is_not_read(url: str) -> None:
    form = client(url, "s3").generate_presigned_post(BUCKET, "planted")
    fields = {**form["fields"], "x-amz-signature": "0" * 64}
    for given in (fields, {"key": "planted"}):
        request = requests.Request("POST", form["url"], data=given, files={"file": b"x" * 300_000})
        prepared = request.prepare()
        kind = str(prepared.headers["Content-Type"])
        parts = urlsplit(url)
        with socket.create_connection((parts.hostname or "", parts.port or 0), 30) as connection:
            connection.sendall(
                f"POST /{BUCKET} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: 9999999999\r\n"
                f"Content-Type: {kind}\r\n\r\n".encode()
            )
            assert isinstance(prepared.body, bytes)
            connection.sendall(prepared.body)  # the beginning of what the head announces
            assert connection.recv(100).startswith(b"HTTP/1.1 403 ")


def test_a_large_form_is_stored_completely(url: str) -> None:
    form = client(url, "s3").generate_presigned_post(BUCKET, "large")
    content = bytes(range(256)) * 8192
    assert post(form, content).status_code == 204
    assert stored(url, BUCKET, "large") == content
