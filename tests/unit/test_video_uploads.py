"""`facedex video search` keeps the film in S3 only while it is searched."""

from __future__ import annotations

import _thread
from pathlib import Path

import pytest
from click.testing import CliRunner

from facedex_cli.commands import video
from facedex_cli.importing.connection import Clients
from facedex_cli.program import main
from tests.unit.moto_s3 import s3_client


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "lobby.mp4"
    path.write_bytes(b"film")
    return path


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_the_bucket_is_created_in_every_region(film: Path, region: str) -> None:
    bucket = f"films-{region}"
    with s3_client(region) as s3:
        for _ in range(2):
            with video._uploaded(Clients(s3, s3, s3.put_object), film, bucket) as key:
                assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"film"
            assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_no_bucket_at_amazon_is_used_that_the_user_has_not_named(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    options = ["--collection=staff", "--url=http://192.0.2.7:9", f"--data-dir={tmp_path}"]
    done = CliRunner().invoke(main, ["video", "search", str(film), *options])
    assert done.exit_code == 1
    assert done.stderr.startswith(
        "Error: The video would be uploaded to Amazon's S3, where another"
    )
    assert "--bucket" in done.stderr


def test_ctrl_c_during_the_upload_leaves_no_film_behind(film: Path) -> None:
    arrived = []

    def interrupt(**_: object) -> None:
        arrived.extend(s3.list_objects_v2(Bucket="interrupted")["Contents"])
        _thread.interrupt_main()

    with s3_client() as s3:
        s3.meta.events.register("after-call.s3.PutObject", interrupt)
        with (
            pytest.raises(KeyboardInterrupt),
            video._uploaded(Clients(s3, s3, s3.put_object), film, "interrupted"),
        ):
            pass
        assert len(arrived) == 1
        assert s3.list_objects_v2(Bucket="interrupted")["KeyCount"] == 0
