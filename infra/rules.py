"""Rules about settings that a single one cannot break: what goes together, and what exists."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Final

from facedex_models import manifests
from infra.database_urls import parts_of
from infra.fields import CREATE, StackFields
from infra.values import Auth, DatabaseAuth, Reach, Retention

# Each function yields pairs: whether a rule is broken, and the sentence that says so.
_Broken = Iterator[tuple[object, str]]


def mistakes(settings: StackFields) -> Iterator[str]:
    """Yield a sentence for each rule that the settings break."""
    for rules in (
        _packs,
        _existing_database,
        _database,
        _access,
        _video,
        _streams,
        _uploads,
        _bulk,
        _operations,
        _without_effect,
        _regions,
    ):
        for broken, sentence in rules(settings):
            if broken:
                yield sentence


def _packs(settings: StackFields) -> _Broken:
    available = manifests.packs()
    listed = ", ".join(available)
    yield (
        settings.pack not in available,
        f"There is no model pack {settings.pack!r}; pack must be one of {listed}.",
    )
    for name in settings.packs:
        yield (
            name not in available,
            f"There is no model pack {name!r}; packs must be some of {listed}.",
        )


# Settings of what the stack creates only without database_url.
_OF_OWN_DATABASE: Final = (
    "min_capacity",
    "max_capacity",
    "pause_after",
    "readers",
    "proxy",
    "backup_days",
    "database_logs",
    "cidr",
    "flow_logs",
    "endpoint_zones",
)
_OF_EXISTING_DATABASE: Final = (
    "database_auth",
    "database_resource",
    "database_secret",
    "database_secret_key",
    "database_pooled",
    "subnet_ids",
    "security_group_ids",
)
_RDS: Final = (".rds.amazonaws.com", ".rds.amazonaws.com.cn")


# Where the certificates begin in a file that libpq can read.
_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"


def _changed(settings: StackFields) -> set[str]:
    """Return the names of the settings that do not have their defaults."""
    return {
        field.name for field in fields(settings) if getattr(settings, field.name) != field.default
    }


def _existing_database(settings: StackFields) -> _Broken:
    changed = _changed(settings)
    if not settings.database_url:
        for name in _OF_EXISTING_DATABASE:
            yield name in changed, f"{name} goes with database_url alone."
        return
    for name in _OF_OWN_DATABASE:
        yield (
            name in changed,
            f"{name} does not go with database_url: the stack then creates no database and no"
            " network.",
        )
    yield (
        settings.retention is Retention.SNAPSHOT,
        "retention=snapshot does not go with database_url: the stack then has no database of which"
        " a snapshot could be taken; use retain, which keeps the uploads and the keys' secret.",
    )
    yield (
        bool(settings.subnet_ids) != bool(settings.security_group_ids),
        "subnet_ids and security_group_ids go together.",
    )
    by_iam = settings.database_auth is DatabaseAuth.IAM
    yield (
        by_iam and not parts_of(settings.database_url)["host"].endswith(_RDS),
        "database_auth=iam needs a host of RDS in database_url (…rds.amazonaws.com), since a token"
        " is for that name alone; use database_auth=password.",
    )
    yield (
        by_iam and not settings.database_resource,
        "database_auth=iam needs database_resource, the id that `aws rds describe-db-instances`"
        " calls DbiResourceId, or `describe-db-clusters` DbClusterResourceId.",
    )
    yield (
        by_iam and (settings.database_secret or settings.database_secret_key),
        "database_secret and database_secret_key go with database_auth=password alone.",
    )
    yield (
        not by_iam and not settings.database_secret,
        "database_auth=password needs database_secret, the ARN of a secret with the role's"
        " password.",
    )
    yield (
        not by_iam and settings.database_resource,
        "database_resource goes with database_auth=iam alone.",
    )
    yield (
        by_iam and not settings.database_ca and not settings.database_resource.startswith("prx-"),
        "database_auth=iam needs database_ca, the path of RDS's certificate bundle: no public"
        " authority signs the certificates of its instances and clusters, only those of proxies.",
    )


def _database(settings: StackFields) -> _Broken:
    yield (
        settings.min_capacity * 2 % 1 or settings.max_capacity * 2 % 1,
        "min_capacity and max_capacity come in halves, such as 0.5.",
    )
    yield (
        settings.min_capacity > settings.max_capacity,
        f"min_capacity ({settings.min_capacity:g}) must not be above max_capacity"
        f" ({settings.max_capacity:g}).",
    )
    yield (
        settings.proxy and settings.min_capacity == 0,
        "proxy does not go with min_capacity=0: the proxy's own connections keep the database from"
        " pausing; set min_capacity to 0.5 or more.",
    )
    yield (
        settings.proxy and settings.database_ca,
        "database_ca does not go with proxy: the proxy's certificate is not issued by RDS's own"
        " authority.",
    )
    if settings.database_ca:
        yield from _certificates(Path(settings.database_ca))


def _certificates(file: Path) -> _Broken:
    found, content = False, b""
    try:
        found = file.is_file()
        content = file.read_bytes() if found else b""
    except OSError as error:
        yield True, f"database_ca names {file}, which cannot be read ({error.strerror})."
    yield not found, f"database_ca names {file}, where there is no file."
    yield (
        _CERTIFICATE not in content,
        f"database_ca names {file}, which has no certificates in PEM's format"
        f" ({_CERTIFICATE.decode()}), as RDS's bundle has whose name ends with .pem.",
    )


def _access(settings: StackFields) -> _Broken:
    private = settings.endpoint is Reach.PRIVATE
    yield (
        settings.auth is Auth.NONE and not private,
        "auth=none would admit every caller; it goes with endpoint=private alone.",
    )
    yield (
        private and not settings.vpc_endpoints,
        "endpoint=private needs vpc_endpoints, the ids of the execute-api interface endpoints that"
        " call the API.",
    )
    yield (
        settings.vpc_endpoints and not private,
        "vpc_endpoints goes with endpoint=private alone.",
    )


def _video(settings: StackFields) -> _Broken:
    yield (
        settings.topics and not settings.video,
        "topics goes with video=true alone: only video jobs are announced.",
    )


def _streams(settings: StackFields) -> _Broken:
    streams = (*settings.video_streams, *settings.data_streams)
    yield (
        streams and not settings.streams,
        "video_streams and data_streams go with streams=true alone.",
    )
    yield (
        settings.streams and not (settings.video_streams and settings.data_streams),
        "streams=true needs video_streams and data_streams, the ARNs of the Kinesis streams that"
        " stream processors may read and write.",
    )


def _uploads(settings: StackFields) -> _Broken:
    yield (
        (settings.delete_faces or settings.uploads_days or settings.versioning)
        and not settings.uploads,
        "delete_faces, uploads_days and versioning go with uploads=true alone.",
    )


def _bulk(settings: StackFields) -> _Broken:
    yield (
        (settings.bulk_buckets or settings.bulk_reports) and not settings.bulk,
        "bulk_buckets and bulk_reports go with bulk=true alone.",
    )
    yield (
        settings.bulk and not (settings.bulk_buckets and settings.bulk_reports),
        "bulk=true needs bulk_buckets, the buckets whose photos may be indexed, and bulk_reports, a"
        " bucket or a folder of a bucket for the reports.",
    )
    yield (
        settings.bulk_reports.partition("/")[0] in settings.bulk_buckets,
        "bulk_reports must be in a bucket that bulk_buckets does not name: a later execution would"
        " read the reports as photos.",
    )
    # How many a user's own database has is not known here.
    # Aurora has about 200 connections for each ACU of the highest capacity; half remain for others.
    # https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-serverless-v2.setting-capacity.html
    most = int(settings.max_capacity * 100)
    yield (
        settings.bulk
        and settings.bulk_concurrency > most
        and not (settings.proxy or settings.database_url),
        f"bulk_concurrency ({settings.bulk_concurrency}) must not be above {most}, 100 for each ACU"
        " of max_capacity: each photo in progress has a connection to the database; raise"
        " max_capacity, or set proxy=true.",
    )


def _operations(settings: StackFields) -> _Broken:
    yield (
        settings.alarm_email and settings.alarm_topic,
        "alarm_email and alarm_topic do not go together; subscribe the address to the topic.",
    )
    yield (
        settings.snapstart and settings.provisioned,
        "snapstart and provisioned do not go together: Lambda has either for a function.",
    )


def _without_effect(settings: StackFields) -> _Broken:
    """Yield settings that would change nothing, because what they belong to is off."""
    endpoints = settings.uploads or settings.video or settings.streams or settings.topics
    needed = {
        "uploads_concurrency": (settings.uploads, "uploads=true"),
        "versions_days": (settings.versioning, "versioning=true"),
        "video_concurrency": (settings.video, "video=true"),
        "streams_concurrency": (settings.streams, "streams=true"),
        "bulk_concurrency": (settings.bulk, "bulk=true"),
        "pause_after": (settings.min_capacity == 0, "min_capacity=0"),
        "waf_rate": (settings.firewall, "a firewall (waf=true)"),
        "endpoint_zones": (
            endpoints or settings.auth is Auth.KEYS,
            "interface endpoints (uploads, video, streams, topics or auth=keys)",
        ),
    }
    changed = _changed(settings)
    for name, (there, what) in needed.items():
        yield name in changed and not there, f"{name} goes with {what} alone."


def _regions(settings: StackFields) -> _Broken:
    """Yield settings that name resources of several regions, where the stack reaches one."""
    named = {
        "video_streams": settings.video_streams,
        "data_streams": settings.data_streams,
        "topics": settings.topics,
        "alarm_topic": (settings.alarm_topic,),
        "kms_key": (settings.kms_key.removeprefix(CREATE),),
    }
    regions = {name: {arn.split(":")[3] for arn in arns if arn} for name, arns in named.items()}
    used = ", ".join(name for name, of_setting in regions.items() if of_setting)
    yield (
        len(set().union(*regions.values())) > 1,
        f"The ARNs in {used} must all be of one region, the one that is deployed to.",
    )
