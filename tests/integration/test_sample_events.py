"""The sample events of all operations, under every authentication, by the real handlers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest
from click.testing import CliRunner

from facedex import settings
from facedex.api.catalog import OPERATIONS, OTHER_FUNCTIONS
from facedex.aws import clients
from facedex.runtime import handlers, model_packs, services
from facedex.store import schema
from facedex_cli.commands.keys import keys
from facedex_local.http.gateway import Context
from tests.e2e.films import moving
from tests.integration.streaming import Configure, Stage

_EVENTS: Final = Path(__file__).parents[2] / "events"
# Each needs what the earlier ones have created.
_STORY: Final = (
    "create_collection",
    "index_faces",
    "list_collections",
    "front_door",
    "describe_collection",
    "detect_faces",
    "compare_faces",
    "list_faces",
    "search_faces",
    "search_faces_by_image",
    "create_user",
    "associate_faces",
    "list_users",
    "search_users",
    "search_users_by_image",
    "tag_resource",
    "list_tags_for_resource",
    "untag_resource",
    "start_face_detection",
    "get_face_detection",
    "start_face_search",
    "get_face_search",
    "create_stream_processor",
    "describe_stream_processor",
    "list_stream_processors",
    "update_stream_processor",
    "delete_stream_processor",
    "create_stream_processor",
    "start_stream_processor",
    "stop_stream_processor",
    "disassociate_faces",
    "delete_faces",
    "delete_user",
    "delete_collection",
)


def test_the_story_has_all_operations() -> None:
    assert set(_STORY) == {row.function for row in OPERATIONS.values()} | {"front_door"}


@pytest.fixture
def functions(
    stage: Stage,
    database_url: str,
    pack_directory: Path,
    portraits: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    configure: Configure,
) -> Iterator[None]:
    """Provide the services that the functions call, with the objects that the samples name."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", stage.url)
    s3, sqs = stage.client("s3"), stage.client("sqs")
    for bucket in ("photos", "videos"):
        s3.create_bucket(Bucket=bucket)
    for photo in ("eileen.jpg", "team.jpg"):
        s3.put_object(Bucket="photos", Key=photo, Body=portraits["eileen"])
    s3.put_object(Bucket="videos", Key="lobby.mp4", Body=moving(portraits, "eileen", seconds=1))
    configure(
        DATABASE_URL=database_url,
        MODELS=pack_directory.parent,
        KEYS_SECRET="a secret of more than thirty-two characters",
        VIDEO_QUEUE=sqs.create_queue(QueueName=f"video-{uuid4().hex}")["QueueUrl"],
        STREAM_QUEUE=sqs.create_queue(QueueName=f"streams-{uuid4().hex}")["QueueUrl"],
        AUTH="none",
    )
    made: tuple[Any, ...] = (
        services._database,
        services._keyring,
        model_packs._shelf,
        clients.queues,
    )
    for each in made:
        each.cache_clear()
    schema.migrate(services.database())
    yield
    services.database().close()
    for each in (*made, settings.settings):
        each.cache_clear()


@pytest.mark.parametrize("auth", list(settings.Auth))
@pytest.mark.usefixtures("functions")
def test_every_sample_works_under_every_authentication(
    auth: settings.Auth, monkeypatch: pytest.MonkeyPatch, configure: Configure
) -> None:
    configure(AUTH=auth.value)
    key: Mapping[str, str] = {}
    if auth is settings.Auth.KEYS:
        made = handlers.load("access_keys")({"Action": "create"}, None)
        key = {
            "AWS_ACCESS_KEY_ID": made["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"],
        }
    names: dict[str, str] = {}
    for function in _STORY:
        answer = _call(function, names, key)
        body = json.loads(answer["body"])
        assert answer["statusCode"] == 200, (function, body)
        if records := body.get("FaceRecords"):
            names["11111111-2222-3333-4444-555555555555"] = records[0]["Face"]["FaceId"]
        if job := body.get("JobId"):
            names["a1b2c3d4" * 8] = job
    keys_of_deployment = handlers.load("access_keys")(_sample("access_keys", {}), None)
    assert len(keys_of_deployment["AccessKeys"]) == (1 if key else 0)


@pytest.mark.usefixtures("functions")
def test_an_unsigned_sample_is_refused_where_callers_need_keys(configure: Configure) -> None:
    configure(AUTH="keys")
    answer = _call("list_collections", {}, {})
    error = json.loads(answer["body"])
    assert (answer["statusCode"], error["__type"]) == (400, "MissingAuthenticationTokenException")


def test_samples_of_other_functions_need_no_caller() -> None:
    """AWS's services and operators invoke them, so IAM decides and no request is signed."""
    for function in set(OTHER_FUNCTIONS) - {"front_door", "console"}:
        assert "requestContext" not in _sample(function, {})


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("sweep.json", None, "This is not the event of a request through API Gateway"),
        ("x.json", "{", "x.json is not a JSON document."),
        ("x.jpg", "\udcff\udcd8\udcff", "x.jpg is not a JSON document."),
        ("x.json", "[]", "This is not the event of a request through API Gateway"),
        (
            "x.json",
            '{"headers": {"Host": "x"}, "requestContext": {"path": "/"}, "httpMethod": 3}',
            "This is not the event of a request through API Gateway",
        ),
    ],
)
def test_what_is_no_request_is_not_signed(
    name: str, text: str | None, sentence: str, tmp_path: Path
) -> None:
    path = _EVENTS / name
    if text is not None:
        path = tmp_path / name
        path.write_bytes(text.encode(errors="surrogateescape"))
    run = _sign(path, {"AWS_ACCESS_KEY_ID": "FDX", "AWS_SECRET_ACCESS_KEY": "x"})
    assert run.exit_code == 1
    assert sentence in run.output


def test_signing_needs_a_key() -> None:
    run = _sign(_EVENTS / "list_faces.json", {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""})
    assert run.exit_code == 1
    assert "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to a key of" in run.output


def _call(function: str, names: Mapping[str, str], key: Mapping[str, str]) -> dict[str, Any]:
    event = _sample(function, names)
    if key:
        event = json.loads(_sign("-", key, json.dumps(event)).output)
    context = Context(f"facedex-{function}", 29, 1024, str(uuid4()))
    answer: dict[str, Any] = handlers.load(function)(event, context)
    return answer


def _sample(function: str, names: Mapping[str, str]) -> dict[str, Any]:
    text = (_EVENTS / f"{function}.json").read_text("utf-8")
    for sample, real in names.items():
        text = text.replace(sample, real)
    event: dict[str, Any] = json.loads(text)
    return event


def _sign(path: object, environment: Mapping[str, str], text: str = "") -> Any:
    named = {"AWS_REGION": "us-east-1", **environment}
    return CliRunner().invoke(keys, ["sign", str(path)], input=text, env=named)
