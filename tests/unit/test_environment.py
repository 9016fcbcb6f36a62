"""Functions find S3 and credentials on one machine, and the user's settings take precedence."""

from __future__ import annotations

from pathlib import Path

import pytest

from facedex.setting_reader import Reader, SettingError
from facedex_local.environment import configure, share_galleries
from facedex_local.workers.queues import STREAMS, VIDEO


def settled(*, server: str = "", **environment: str) -> dict[str, str]:
    configure(
        models=Path("/models"),
        pack="dlib",
        own_url="http://127.0.0.1:9000",
        s3_url="http://127.0.0.1:40000",
        server=server,
        environment=environment,
    )
    return environment


def test_functions_receive_the_models_directory_and_the_local_s3() -> None:
    environment = settled()
    for service in ("S3", "SQS", "SNS", "KINESIS", "KINESIS_VIDEO"):
        assert environment[f"AWS_ENDPOINT_URL_{service}"] == "http://127.0.0.1:40000"
    assert environment["FACEDEX_MODELS"] == "/models"
    assert environment["FACEDEX_PACK"] == "dlib"
    assert environment["AWS_ACCESS_KEY_ID"] == environment["AWS_SECRET_ACCESS_KEY"] == "testing"
    assert environment["AWS_REGION"] == "us-east-1"


@pytest.mark.parametrize("own", ["http://127.0.0.1:9000", "http://localhost:9000/"])
def test_our_own_address_in_the_environment_does_not_count_as_another_s3(own: str) -> None:
    assert settled(AWS_ENDPOINT_URL=own)["AWS_ENDPOINT_URL_S3"] == "http://127.0.0.1:40000"


def test_another_s3_that_the_user_chose_stays() -> None:
    minio = settled(AWS_ENDPOINT_URL_S3="http://minio:9000")
    assert minio["AWS_ENDPOINT_URL_S3"] == "http://minio:9000"
    assert "AWS_ENDPOINT_URL_S3" not in settled(AWS_ENDPOINT_URL="http://localstack:4566")


def test_credentials_and_region_that_the_user_chose_stay() -> None:
    own = settled(AWS_ACCESS_KEY_ID="AKIA", AWS_DEFAULT_REGION="eu-west-1")
    assert own["AWS_ACCESS_KEY_ID"] == "AKIA"
    assert "AWS_SECRET_ACCESS_KEY" not in own
    assert own["AWS_REGION"] == "eu-west-1"
    assert "AWS_ACCESS_KEY_ID" not in settled(AWS_PROFILE="work")


def test_functions_know_the_services_in_this_servers_memory_if_other_servers_may_exist() -> None:
    own = settled(server="me", AWS_ENDPOINT_URL_S3="http://minio:9000")
    assert own["FACEDEX_SERVER"] == "me"
    assert own["FACEDEX_OWN_SERVICES"] == "SQS,SNS,KINESIS,KINESIS_VIDEO"
    assert settled(server="me", AWS_ENDPOINT_URL="http://aws:4566")["FACEDEX_OWN_SERVICES"] == ""
    alone = settled(FACEDEX_SERVER="of an earlier start", FACEDEX_OWN_SERVICES="S3")
    assert alone["FACEDEX_SERVER"] == alone["FACEDEX_OWN_SERVICES"] == ""


@pytest.mark.parametrize(
    ("elsewhere", "video", "streams"),
    [
        ("SQS", "sqs:9324/123456789012/facedex-video-me", "facedex-streams-me"),
        ("SQS S3", "sqs:9324/123456789012/facedex-video", "facedex-streams-me"),
        ("S3", "127.0.0.1:40000/123456789012/facedex-video", "facedex-streams"),
    ],
)
def test_work_for_one_servers_memory_has_a_queue_of_its_own(
    elsewhere: str, video: str, streams: str
) -> None:
    chosen = {f"AWS_ENDPOINT_URL_{service}": "http://sqs:9324" for service in elsewhere.split()}
    environment = settled(server="me", **chosen)
    VIDEO.configure(environment)
    STREAMS.configure(environment)
    assert environment["FACEDEX_VIDEO_QUEUE"].endswith(f"//{video}")
    assert environment["FACEDEX_STREAM_QUEUE"].endswith(f"/{streams}")


def test_all_processes_share_copies_of_galleries_in_the_data_directory() -> None:
    environment: dict[str, str] = {}
    share_galleries(Path("/data"), environment)
    assert environment == {"FACEDEX_GALLERY_DIRECTORY": "/data/galleries"}


@pytest.mark.parametrize("name", ["us east", "us-east-1;", "EU", "-"])
def test_a_region_that_no_client_could_sign_for_is_refused(name: str) -> None:
    with pytest.raises(SettingError, match="AWS_REGION must be a region such as us-east-1, not "):
        Reader({"AWS_REGION": name}).region("AWS_REGION", "us-east-1")
    assert Reader({"AWS_REGION": "us-gov-west-1"}).region("AWS_REGION", "us-east-1")
