"""What a deployment can choose: typed settings out of the CDK's context.

From the command line (``cdk deploy -c environment=prod -c auth=keys``) every value comes as text,
from ``cdk.json`` as JSON. The page for users, docs/deploy.md, lists these same fields.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, Final, get_type_hints

from facedex_models import manifests
from infra.errors import SettingsError
from infra.packages import DEFAULT, DEPLOYABLE
from infra.reading import read


class Auth(StrEnum):
    """Who may call: IAM principals, own access keys, or whoever reaches a private endpoint."""

    IAM = "iam"
    KEYS = "keys"
    NONE = "none"


class Reach(StrEnum):
    """From where the API can be called."""

    REGIONAL = "regional"
    PRIVATE = "private"


class Retention(StrEnum):
    """What becomes of the data when the stack is destroyed."""

    DESTROY = "destroy"
    SNAPSHOT = "snapshot"
    RETAIN = "retain"


class Architecture(StrEnum):
    """Processors that the functions run on, in Lambda's names."""

    ARM64 = "arm64"
    X86_64 = "x86_64"


@dataclass(frozen=True, slots=True)
class StackSettings:
    """A deployment's settings.

    Attributes:
        environment: name of the deployment; the stack is called facedex-NAME.
        pack: the default model pack, which the functions carry.
        packs: model packs that they carry besides, for collections that were made with them or that
            name one in the tag facedex:pack.
        architecture: processors of the functions.
        python: Lambda's Python version.
        auth: who may call: iam, keys (the product's own access keys), or none (private only).
        endpoint: regional (public, TLS), or private (through VPC endpoints of yours).
        vpc_endpoints: ids of the execute-api interface endpoints that a private API is called by.
        cidr: addresses of the stack's own network.
        endpoint_zones: zones in which interface endpoints stand; each costs by the hour.
        min_capacity: lowest capacity of the database, in ACU; 0 lets it pause.
        max_capacity: highest capacity of the database, in ACU.
        pause_after: seconds without a connection after which the database pauses.
        readers: standby instances of the database, in other zones.
        proxy: put an RDS Proxy before the database.
        database_ca: path of RDS's certificate bundle; with it, connections check the database's
            certificate and name.
        backup_days: days for which the database can be restored to any moment.
        retention: what becomes of data when the stack is destroyed: destroy, snapshot, retain.
        uploads: make an uploads bucket whose objects are indexed.
        uploads_days: days after which uploaded objects are removed; 0 keeps them.
        uploads_concurrency: copies of index_upload that work at once, at most.
        delete_faces: deleting an uploaded object deletes its faces.
        video: make the queue and the workers for stored video.
        video_concurrency: workers for stored video that work at once, at most.
        streams: make the queue and the workers for streaming video.
        streams_concurrency: workers for streaming video, each for one stream, that work at once, at
            most.
        video_streams: ARNs of Kinesis video streams of yours that stream processors may read.
        data_streams: ARNs of Kinesis data streams of yours that stream processors may write to.
        image_buckets: buckets of yours that callers may name images and videos in.
        topics: ARNs of SNS topics of yours that callers may have video jobs announced to.
        rate: requests a second that the API takes from all callers together.
        burst: requests that it takes at once.
        waf: put a web application firewall before the API.
        waf_rate: requests in five minutes from one address, above which the firewall refuses.
        gateway_log_role: set the account's role for API Gateway's logs in this region.
        log_days: days for which logs are kept.
        alarm_email: address that alarms are sent to.
        alarm_topic: ARN of an SNS topic of yours that alarms are sent to.
        dashboard: make a CloudWatch dashboard.
        sweep_minutes: minutes between two removals of what was deleted or got stuck; with streams
            it is one.
        snapstart: start the API's functions from snapshots.
        provisioned: copies of the front door that are kept warm.
    """

    environment: str = "dev"
    pack: str = manifests.DEFAULT
    packs: tuple[str, ...] = ()
    architecture: Architecture = Architecture.ARM64
    python: str = DEFAULT.python
    auth: Auth = Auth.IAM
    endpoint: Reach = Reach.REGIONAL
    vpc_endpoints: tuple[str, ...] = ()
    cidr: str = "10.60.0.0/22"
    endpoint_zones: int = 1
    min_capacity: float = 0.0
    max_capacity: float = 4.0
    pause_after: int = 300
    readers: int = 0
    proxy: bool = False
    database_ca: str = ""
    backup_days: int = 7
    retention: Retention = Retention.DESTROY
    uploads: bool = True
    uploads_days: int = 0
    uploads_concurrency: int = 10
    delete_faces: bool = False
    video: bool = False
    video_concurrency: int = 10
    streams: bool = False
    streams_concurrency: int = 10
    video_streams: tuple[str, ...] = ()
    data_streams: tuple[str, ...] = ()
    image_buckets: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    rate: int = 100
    burst: int = 200
    waf: bool = False
    waf_rate: int = 10_000
    gateway_log_role: bool = True
    log_days: int = 30
    alarm_email: str = ""
    alarm_topic: str = ""
    dashboard: bool = True
    sweep_minutes: int = 60
    snapstart: bool = False
    provisioned: int = 0

    def __post_init__(self) -> None:
        for wrong, sentence in self._mistakes():
            if wrong:
                raise SettingsError(sentence)

    @classmethod
    def from_context(cls, context: Mapping[str, Any]) -> StackSettings:
        """Read the settings out of a CDK app's whole context.

        Raises:
            SettingsError: a setting is unknown, has the wrong form, or does not go with another.
        """
        own = {name: value for name, value in context.items() if not _FOREIGN.search(name)}
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(own) - known):
            raise SettingsError(
                f"There is no setting {unknown[0]!r}; there are {', '.join(sorted(known))}."
            )
        types = get_type_hints(cls)
        return cls(**{name: read(name, value, types[name]) for name, value in own.items()})

    @property
    def stack(self) -> str:
        """The stack's name, which every name in the account begins with."""
        return f"facedex-{self.environment}"

    @property
    def all_packs(self) -> tuple[str, ...]:
        """The model packs that the functions carry, the default one first."""
        return tuple(dict.fromkeys((self.pack, *self.packs)))

    def _mistakes(self) -> tuple[tuple[object, str], ...]:
        numbers = {
            "endpoint_zones": (1, 2),
            "min_capacity": (0, 256),
            "max_capacity": (1, 256),
            "pause_after": (300, 86_400),
            "readers": (0, 15),
            "backup_days": (1, 35),
            "uploads_days": (0, 36_500),
            "uploads_concurrency": (2, 1_000),
            "video_concurrency": (2, 1_000),
            "streams_concurrency": (2, 1_000),
            "rate": (1, 10_000),
            "burst": (1, 10_000),
            "waf_rate": (10, 2_000_000_000),
            "sweep_minutes": (1, 1_440),
            "provisioned": (0, 1_000),
        }
        there_are = manifests.packs()
        return (
            *(
                (
                    not low <= getattr(self, name) <= high,
                    f"{name} must be from {low} to {high}, not {getattr(self, name):g}.",
                )
                for name, (low, high) in numbers.items()
            ),
            (
                not re.fullmatch(r"(?!.*--)[a-z](?:[a-z0-9-]{0,18}[a-z0-9])?", self.environment),
                "environment must be 1 to 20 lower-case letters, digits and single hyphens, the"
                " first a letter and the last no hyphen, not"
                f" {self.environment!r}.",
            ),
            (
                self.pack not in there_are,
                f"There is no model pack {self.pack!r}; pack must be one of"
                f" {', '.join(there_are)}.",
            ),
            *(
                (
                    name not in there_are,
                    f"There is no model pack {name!r}; packs must be some of"
                    f" {', '.join(there_are)}.",
                )
                for name in self.packs
            ),
            (
                self.python not in DEPLOYABLE,
                f"python must be one of {', '.join(DEPLOYABLE)}, not {self.python!r}.",
            ),
            (not _is_network(self.cidr), f"cidr must be like 10.60.0.0/22, not {self.cidr!r}."),
            (
                any(getattr(self, name) * 2 % 1 for name in ("min_capacity", "max_capacity")),
                "min_capacity and max_capacity come in halves, such as 0.5.",
            ),
            (
                self.min_capacity > self.max_capacity,
                f"min_capacity ({self.min_capacity:g}) must not be above max_capacity"
                f" ({self.max_capacity:g}).",
            ),
            (
                self.proxy and self.min_capacity == 0,
                "proxy does not go with min_capacity=0: the proxy's own connections keep the"
                " database from pausing; set min_capacity to 0.5 or more.",
            ),
            (
                self.proxy and self.database_ca,
                "database_ca does not go with proxy: the proxy's certificate is not of RDS's own"
                " authority.",
            ),
            (
                self.auth is Auth.NONE and self.endpoint is not Reach.PRIVATE,
                "auth=none would let anybody in; it goes with endpoint=private alone.",
            ),
            (
                self.endpoint is Reach.PRIVATE and not self.vpc_endpoints,
                "endpoint=private needs vpc_endpoints, the ids of the execute-api interface"
                " endpoints that it is to be called by.",
            ),
            (
                self.vpc_endpoints and self.endpoint is not Reach.PRIVATE,
                "vpc_endpoints goes with endpoint=private alone.",
            ),
            *_unlike("vpc_endpoints", self.vpc_endpoints, r"vpce-[0-9a-f]{8,}", "vpce-0a1b2c3d"),
            *_unlike("image_buckets", self.image_buckets, r"[a-z0-9][a-z0-9.-]{1,61}", "my-photos"),
            *_unlike("topics", self.topics, _TOPIC, "arn:aws:sns:eu-central-1:111122223333:done"),
            (
                self.topics and not self.video,
                "topics goes with video=true alone: only video jobs are announced.",
            ),
            *_unlike("video_streams", self.video_streams, _VIDEO_STREAM, _A_VIDEO_STREAM),
            *_unlike("data_streams", self.data_streams, _DATA_STREAM, _A_DATA_STREAM),
            (
                (self.video_streams or self.data_streams) and not self.streams,
                "video_streams and data_streams go with streams=true alone.",
            ),
            (
                self.streams and not (self.video_streams and self.data_streams),
                "streams=true needs video_streams and data_streams, the ARNs of the Kinesis streams"
                " that stream processors may read and write.",
            ),
            (
                len(_regions((*self.video_streams, *self.data_streams))) > 1,
                "video_streams and data_streams must all be in the region that is deployed to.",
            ),
            (
                (self.delete_faces or self.uploads_days) and not self.uploads,
                "delete_faces and uploads_days go with uploads=true alone.",
            ),
            (
                self.database_ca and not Path(self.database_ca).is_file(),
                f"database_ca names {self.database_ca}, where there is no file.",
            ),
            (
                self.log_days not in _LOG_DAYS,
                f"log_days must be one of {', '.join(map(str, _LOG_DAYS))}, not {self.log_days}.",
            ),
            (
                self.alarm_email and not re.fullmatch(r"[^@\s]+@[^@\s]+", self.alarm_email),
                f"alarm_email must be an e-mail address, not {self.alarm_email!r}.",
            ),
            (
                self.alarm_topic and not re.fullmatch(_TOPIC, self.alarm_topic),
                f"alarm_topic must be the ARN of an SNS topic, not {self.alarm_topic!r}.",
            ),
            (
                self.alarm_email and self.alarm_topic,
                "alarm_email and alarm_topic do not go together; subscribe the address to the"
                " topic.",
            ),
            (
                self.snapstart and self.provisioned,
                "snapstart and provisioned do not go together: Lambda has either for a function.",
            ),
        )


# The CDK's own keys, and its caches of look-ups, have a colon, a slash or an @ in them.
_FOREIGN: Final = re.compile(r"[:/@]|^cli-telemetry$|^tree$")
_TOPIC: Final = r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[\w.-]+"
_VIDEO_STREAM: Final = r"arn:aws[a-z-]*:kinesisvideo:[a-z0-9-]+:\d{12}:stream/[\w.-]+/\d+"
_A_VIDEO_STREAM: Final = "arn:aws:kinesisvideo:eu-central-1:111122223333:stream/door/1767268800000"
_DATA_STREAM: Final = r"arn:aws[a-z-]*:kinesis:[a-z0-9-]+:\d{12}:stream/[\w.-]+"
_A_DATA_STREAM: Final = "arn:aws:kinesis:eu-central-1:111122223333:stream/seen"
# What CloudWatch Logs takes, up to two years.
_LOG_DAYS: Final = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731)


def _is_network(text: str) -> bool:
    try:
        return 16 <= IPv4Network(text).prefixlen <= 24
    except ValueError:
        return False


def _regions(arns: tuple[str, ...]) -> set[str]:
    return {region for arn in arns for region in arn.split(":")[3:4]}


def _unlike(
    name: str, values: tuple[str, ...], pattern: str, example: str
) -> list[tuple[object, str]]:
    return [
        (not re.fullmatch(pattern, value), f"{name} must be like {example}, not {value!r}.")
        for value in values
    ]
