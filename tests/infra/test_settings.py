"""A deployment's settings: valid values, and the errors for invalid ones."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from infra.settings import SettingsError, StackSettings
from infra.values import Auth, Retention

_VIDEO = "arn:aws:kinesisvideo:eu-central-1:111122223333:stream/door/1767268800000"
_DATA = "arn:aws:kinesis:eu-central-1:111122223333:stream/seen"
_TOPIC = "arn:aws:sns:eu-central-1:111122223333:done"
_KEY = "arn:aws:kms:eu-central-1:111122223333:key/0f3e6f4a-5a0b-4a8e-9d0e-2f6d8d1c7b11"
PAGE = Path(__file__).parents[2] / "docs" / "deploy.md"


def test_defaults_are_enough_to_deploy() -> None:
    assert StackSettings.from_context({}) == StackSettings()


def test_command_line_text_and_json_are_read_alike() -> None:
    text = StackSettings.from_context(
        {
            "auth": "keys",
            "waf": "true",
            "min_capacity": "0.5",
            "readers": "1",
            "image_buckets": "one-bucket, two-bucket",
        }
    )
    assert text == StackSettings.from_context(
        {
            "auth": "keys",
            "waf": True,
            "min_capacity": 0.5,
            "readers": 1,
            "image_buckets": ["one-bucket", "two-bucket"],
        }
    )
    assert text.auth is Auth.KEYS
    assert text.image_buckets == ("one-bucket", "two-bucket")


def test_settings_have_an_effect_with_what_they_belong_to(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("Amazon RDS\n-----BEGIN CERTIFICATE-----\n")
    context = {
        "database_ca": str(bundle),
        "image_buckets": "a" * 63,
        "uploads_concurrency": 5,
        "versioning": True,
        "versions_days": 60,
        "video": True,
        "video_concurrency": 5,
        "pause_after": 600,
        "auth": "keys",
        "waf_rate": 2000,
        "endpoint_zones": 2,
        "topics": _TOPIC,
        "alarm_topic": _TOPIC,
        "kms_key": "create",
    }
    assert StackSettings.from_context(context).versions_days == 60


def test_the_cdks_own_context_is_left_alone() -> None:
    context = {
        "aws:cdk:enable-path-metadata": True,
        "@aws-cdk/core:newStyleStackSynthesis": True,
        "availability-zones:account=1:region=r": ["a"],
        "acknowledged-issue-numbers": [34892],  # of `cdk acknowledge 34892`
        "cli-telemetry": False,
        "retention": "snapshot",
    }
    assert StackSettings.from_context(context).retention is Retention.SNAPSHOT


@pytest.mark.parametrize(
    ("context", "sentence"),
    [
        ({"packs": "dlib,nobody"}, "There is no model pack 'nobody'; packs must be some of "),
        ({"pak": "dlib"}, "There is no setting 'pak'; there are alarm_email, "),
        ({"pack": "dilb"}, "There is no model pack 'dilb'; pack must be one of antelopev2, "),
        ({"environment": "Prod"}, "environment must be 1 to 20 lower-case letters"),
        ({"environment": "a" * 21}, "environment must be 1 to 20 lower-case letters"),
        ({"environment": "test-"}, "environment must be 1 to 20 lower-case letters"),
        ({"environment": "my--test"}, "environment must be 1 to 20 lower-case letters"),
        ({"uploads_concurrency": 1}, "uploads_concurrency must be from 2 to 1000, not 1."),
        ({"auth": "password"}, "auth must be one of iam, keys, none, not 'password'."),
        ({"architecture": "i386"}, "architecture must be one of arm64, x86_64, not 'i386'."),
        ({"python": "3.11"}, "python must be one of 3.12, 3.13, 3.14, not '3.11'."),
        ({"waf": "yes"}, "waf must be one of auto, true, false, not 'yes'."),
        ({"waf": 1}, "waf must be one of auto, true, false, not 1."),
        ({"dashboard": "yes"}, "dashboard must be true or false, not 'yes'."),
        ({"readers": "two"}, "readers must be a whole number, not 'two'."),
        ({"readers": True}, "readers must be a whole number, not True."),
        ({"readers": 16}, "readers must be from 0 to 15, not 16."),
        ({"min_capacity": "0,5"}, "min_capacity must be a number, not '0,5'."),
        ({"min_capacity": 0.7}, "min_capacity and max_capacity come in halves, such as 0.5."),
        (
            {"min_capacity": 8},
            "min_capacity (8) must not be above max_capacity (4).",
        ),
        ({"environment": 7}, "environment must be text, not 7."),
        ({"image_buckets": [1]}, "image_buckets must be a list, or text with commas, not [1]."),
        ({"image_buckets": "*"}, "image_buckets must be like my-photos, not '*'."),
        ({"cidr": "10.0.0.0/8"}, "cidr must be like 10.60.0.0/22, not '10.0.0.0/8'."),
        ({"log_days": 31}, "log_days must be one of 1, 3, 5, "),
        ({"proxy": True}, "proxy does not go with min_capacity=0: "),
        (
            {"auth": "none"},
            "auth=none would admit every caller; it goes with endpoint=private alone.",
        ),
        ({"endpoint": "private"}, "endpoint=private needs vpc_endpoints, "),
        ({"vpc_endpoints": "vpce-0a1b2c3d"}, "vpc_endpoints goes with endpoint=private alone."),
        ({"topics": "done"}, "topics must be like arn:aws:sns:"),
        ({"streams": True}, "streams=true needs video_streams and data_streams, the ARNs of "),
        (
            {"streams": True, "video_streams": _VIDEO},
            "streams=true needs video_streams and data_streams, the ARNs of ",
        ),
        ({"data_streams": _DATA}, "video_streams and data_streams go with streams=true alone."),
        (
            {"streams": True, "video_streams": "door", "data_streams": _DATA},
            "video_streams must be like arn:aws:kinesisvideo:",
        ),
        (
            {"streams": True, "video_streams": _VIDEO.replace("/1", "/*"), "data_streams": _DATA},
            "video_streams must be like arn:aws:kinesisvideo:",
        ),
        (
            {"streams": True, "video_streams": _VIDEO, "data_streams": [_DATA, _VIDEO]},
            "data_streams must be like arn:aws:kinesis:",
        ),
        (
            {
                "streams": True,
                "video_streams": _VIDEO,
                "data_streams": _DATA.replace("eu-central-1", "eu-west-1"),
            },
            "The ARNs in video_streams, data_streams must all be of one region, the one that is ",
        ),
        (
            {"video": True, "topics": _TOPIC, "alarm_topic": _TOPIC.replace("eu-c", "us-c")},
            "The ARNs in topics, alarm_topic must all be of one region, ",
        ),
        (
            {"kms_key": _KEY, "alarm_topic": _TOPIC.replace("eu-c", "us-c")},
            "The ARNs in alarm_topic, kms_key must all be of one region, ",
        ),
        ({"streams_concurrency": 1}, "streams_concurrency must be from 2 to 1000, not 1."),
        ({"uploads": False, "delete_faces": True}, "delete_faces, uploads_days and versioning go "),
        ({"uploads": False, "versioning": True}, "delete_faces, uploads_days and versioning go "),
        ({"bulk": True}, "bulk=true needs bulk_buckets, the buckets whose photos may be indexed, "),
        ({"bulk": True, "bulk_buckets": "albums"}, "bulk=true needs bulk_buckets, the buckets "),
        ({"bulk_reports": "reports"}, "bulk_buckets and bulk_reports go with bulk=true alone."),
        ({"bulk_buckets": "albums"}, "bulk_buckets and bulk_reports go with bulk=true alone."),
        (
            {"bulk": True, "bulk_buckets": "albums", "bulk_reports": "albums/reports"},
            "bulk_reports must be in a bucket that bulk_buckets does not name: ",
        ),
        (
            {
                "bulk": True,
                "bulk_buckets": "albums",
                "bulk_reports": "reports",
                "bulk_concurrency": 401,
            },
            "bulk_concurrency (401) must not be above 400, 100 for each ACU of max_capacity: ",
        ),
        ({"bulk_buckets": "*"}, "bulk_buckets must be like my-photos, not '*'."),
        ({"bulk_reports": "reports/*"}, "bulk_reports must be like my-reports/facedex, not "),
        ({"bulk_concurrency": 0}, "bulk_concurrency must be from 1 to 1000, not 0."),
        ({"versions_days": 0}, "versions_days must be from 1 to 36500, not 0."),
        ({"kms_key": "mine"}, "kms_key must be create, or the ARN of a KMS key, not 'mine'."),
        (
            {"kms_key": "arn:aws:kms:eu-central-1:111122223333:alias/faces"},
            "kms_key must be create, or the ARN of a KMS key, not ",
        ),
        ({"flow_logs": True}, "flow_logs must be one of off, rejected, all, not True."),
        ({"code_signing": "facedex"}, "code_signing must be like arn:aws:signer:"),
        ({"database_ca": "nowhere.pem"}, "database_ca names nowhere.pem, where there is no file."),
        ({"database_ca": "a" * 300}, f"database_ca names {'a' * 300}, which cannot be read ("),
        ({"database_ca": str(PAGE)}, f"database_ca names {PAGE}, which has no certificates in PEM"),
        ({"bulk_buckets": "a" * 64}, "bulk_buckets must be like my-photos, not 'aaaa"),
        (
            {"uploads": False, "uploads_concurrency": 5},
            "uploads_concurrency goes with uploads=true ",
        ),
        ({"versions_days": 60}, "versions_days goes with versioning=true alone."),
        ({"video_concurrency": 5}, "video_concurrency goes with video=true alone."),
        ({"streams_concurrency": 5}, "streams_concurrency goes with streams=true alone."),
        ({"bulk_concurrency": 5}, "bulk_concurrency goes with bulk=true alone."),
        ({"pause_after": 600, "min_capacity": 1}, "pause_after goes with min_capacity=0 alone."),
        ({"waf_rate": 2000}, "waf_rate goes with a firewall (waf=true) alone."),
        ({"uploads": False, "endpoint_zones": 2}, "endpoint_zones goes with interface endpoints ("),
        ({"alarm_email": "me"}, "alarm_email must be an e-mail address, not 'me'."),
        ({"snapstart": True, "provisioned": 1}, "snapstart and provisioned do not go together: "),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_an_invalid_setting_is_reported_in_one_sentence(
    context: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(SettingsError) as raised:
        StackSettings.from_context(context)
    assert str(raised.value).startswith(sentence)
    assert str(raised.value).endswith(".")
    assert "\n" not in str(raised.value)


def test_the_page_for_users_lists_every_setting_with_its_default() -> None:
    section = PAGE.read_text().partition("\n## Settings\n")[2].partition("\n## ")[0]
    listed = dict(re.findall(r"^\| `(\w+)` \| `?([^|`]*)`? \|", section, re.MULTILINE))
    assert listed == {field.name: _shown(field.default) for field in fields(StackSettings)}


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return "–" if value in ("", ()) else str(value)
