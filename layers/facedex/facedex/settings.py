"""Settings of a process, read once from its environment variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Final
from uuid import UUID

from facedex.setting_reader import Reader

# The pack of new collections if neither the setting nor a tag names another.
DEFAULT_PACK: Final = "sface-dlib"

# The account and region of ARNs and queue addresses on one machine: those of moto, and those that
# AWS's own documentation uses. On Lambda the environment names the real ones.
DEFAULT_ACCOUNT: Final = "123456789012"
DEFAULT_REGION: Final = "us-east-1"


class Auth(StrEnum):
    """The authentication of callers.

    ``none``: every request is accepted, with any credentials or none. ``keys``: requests have to be
    signed with an access key of the product. ``iam``: API Gateway's IAM authorizer checks requests.
    """

    NONE = "none"
    KEYS = "keys"
    IAM = "iam"


class Audit(StrEnum):
    """The requests that have a row in the audit log.

    ``off``: none. ``changes``: those that may change data, and those that are denied. ``all``: also
    those that read records.
    """

    OFF = "off"
    CHANGES = "changes"
    ALL = "all"


class DatabaseAuth(StrEnum):
    """The authentication of a function to the database.

    ``password``: with the password in a secret of Secrets Manager if the settings name one, and
    otherwise with the connection string's. ``iam``: with an RDS token for every new connection,
    signed with the function's own credentials.
    """

    PASSWORD = "password"  # noqa: S105 - a way, not a password
    IAM = "iam"


@dataclass(frozen=True, slots=True)
class Settings:
    """The configuration of a function.

    Attributes:
        database_url: libpq connection string of the Postgres database.
        models: directory of the model packs, one folder for each.
        pack: name of the default pack, for new collections that name no other and for operations
            without a collection.
        loaded_packs: maximum number of packs that a process keeps loaded; the least recently used
            pack is unloaded first.
        threads: ONNX Runtime threads for one request.
        detection_side: longest side, in pixels, of the image that the detector processes.
        max_pixels: images with more pixels than this are rejected without decoding.
        max_whole_pixels: the same for PNG and progressive JPEG, which take more time and memory.
        connections: maximum number of database connections of one process.
        gallery_memory: mebibytes for copies of galleries in the memory of each process, which are
            searched faster than in SQL; 0 for none.
        gallery_directory: where the processes of one machine share these copies; none if each has
            its own.
        statement_timeout: seconds after which Postgres cancels a statement.
        database_patience: maximum seconds to wait for a database connection, also limited by the
            invocation's remaining time. A paused database takes 15 s to resume.
        database_pooled: whether connections go through a pooling proxy; the timeouts then have to
            be set on the database role.
        account: for ARNs, if the request itself has none.
        region: the region of requests that are not signed, and of what was stored before regions
            were separate.
        all_regions: whether requests may be signed for any region, each of which has collections
            and stream processors of its own. If not, those for another region are refused, as by
            the endpoint of one region.
        disk: a directory on the database's disk if it is on this machine; empty otherwise.
        disk_reserve: mebibytes of free space on that disk below which writes are refused.
        auth: how callers are authenticated.
        audit: the requests that have a row in the audit log.
        audit_days: days after which a row of the audit log is removed.
        keys_secret: the key that encrypts the access keys' secrets: the text itself, ``file:PATH``,
            or ``secretsmanager:ARN``; empty without access keys.
        keys_cache: seconds for which an access key is cached.
        own_key: a further access key that is not stored, as ``ID:SECRET``: that of the machine on
            which ``facedex up`` runs; empty elsewhere.
        database_auth: how connections to the database are authenticated.
        database_secret: ARN of the secret of Secrets Manager that contains the database's password;
            empty if the connection string is complete.
        deployment: name of the deployment on Lambda, for its metrics; empty on one machine.
        log_names: whether the log may contain names of buckets, objects and collections.
        metrics: whether a deployment writes all metrics, besides those of its alarms.
        topics: ARNs of the SNS topics that callers may use for notifications; None for any.
        server: id of this server if other servers may use the database: work that needs a service
            in this server's memory is left to its own workers. Empty elsewhere.
        own_services: the AWS services that are in this server's memory.
        uploads_queue: URL of the queue of uploads. An upload that has to wait is sent to it again;
            if empty, the queue redelivers the message itself.
        uploads_dead_letters: URL of the queue for uploads that can never be indexed; empty without
            uploads.
        uploads_delete_faces: whether deleting or replacing an uploaded object deletes its faces.
        video_queue: URL of the queue for work on stored video; empty without one.
        video_rate: maximum number of frames to analyse per second of video.
        video_segment: seconds of video that a worker processes as one task.
        video_jobs: maximum number of concurrent video jobs.
        video_timeout: seconds without progress after which a video job fails.
        video_expiry: days after which a video job and its results are deleted.
        worker: id of this process for a supervisor that reports its death; None without one.
        stream_queue: URL of the queue that assigns workers to stream processors; empty without
            one.
        stream_processors: maximum number of stream processors.
        stream_rate: maximum number of frames to analyse per second of a stream.
        stream_seconds: seconds after which a worker hands a stream over to another.
        stream_behind: delay in seconds after which a worker skips to the live position.
        rate: maximum number of requests per second; None for no limit.
        rate_file: the file with which the processes of a machine share the limit.
        rtsp_hosts: cameras that stream processors may read, as ``HOST`` or ``HOST:PORT``.
        rtsp_credentials: cameras' credentials, as ``USER:PASSWORD@HOST``.
    """

    database_url: str
    models: Path
    pack: str
    threads: int
    detection_side: int
    max_pixels: int
    max_whole_pixels: int
    connections: int
    statement_timeout: int
    account: str
    region: str
    auth: Auth
    audit: Audit = Audit.CHANGES
    audit_days: int = 365
    keys_secret: str = field(default="", repr=False)
    keys_cache: int = 30
    own_key: str = field(default="", repr=False)
    database_auth: DatabaseAuth = DatabaseAuth.PASSWORD
    database_secret: str = ""
    database_patience: int = 3
    database_pooled: bool = False
    gallery_memory: int = 0
    gallery_directory: Path | None = None
    deployment: str = ""
    all_regions: bool = False
    disk: str = ""
    disk_reserve: int = 64
    log_names: bool = False
    metrics: bool = False
    topics: frozenset[str] | None = None
    loaded_packs: int = 2
    server: str = ""
    own_services: frozenset[str] = frozenset()
    uploads_queue: str = ""
    uploads_dead_letters: str = ""
    uploads_delete_faces: bool = False
    video_queue: str = ""
    video_rate: int = 5
    video_segment: int = 30
    video_jobs: int = 200
    video_timeout: int = 3600
    video_expiry: int = 7
    worker: UUID | None = None
    stream_queue: str = ""
    stream_processors: int = 100
    stream_rate: int = 5
    stream_seconds: int = 840
    stream_behind: int = 20
    rate: float | None = None
    rate_file: Path | None = None
    rtsp_hosts: tuple[str, ...] = ()
    rtsp_credentials: tuple[str, ...] = field(default=(), repr=False)

    def server_of(self, *services: str) -> str:
        """Return the server whose workers must do work that needs some services.

        Returns:
            The id of this server if one of the services is in its memory. An empty text if other
            servers reach all of them.
        """
        return self.server if self.own_services.intersection(services) else ""

    def servers(self, *services: str) -> tuple[str, ...]:
        """Return the servers whose work can be done here, as :meth:`server_of` names them.

        A server with services of its own does not reach those that others share.
        """
        return (self.server,) if self.server_of(*services) else ("", self.server)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings from ``FACEDEX_*`` and ``AWS_REGION``.

        Raises:
            SettingError: if a setting is missing or invalid.
        """
        read = Reader(environment)
        return cls(
            database_url=read.text("FACEDEX_DATABASE_URL"),
            models=Path(read.text("FACEDEX_MODELS")),
            pack=read.text("FACEDEX_PACK", DEFAULT_PACK),
            loaded_packs=read.whole("FACEDEX_LOADED_PACKS", 2),
            threads=read.whole("FACEDEX_THREADS", min(2, os.cpu_count() or 1)),
            detection_side=read.whole("FACEDEX_DETECTION_SIDE", 1280),
            max_pixels=read.whole("FACEDEX_MAX_PIXELS", 64_000_000),
            max_whole_pixels=read.whole("FACEDEX_MAX_WHOLE_PIXELS", 25_000_000),
            connections=read.whole("FACEDEX_CONNECTIONS", 8),
            gallery_memory=read.whole("FACEDEX_GALLERY_MEMORY", 0, least=0),
            gallery_directory=read.path("FACEDEX_GALLERY_DIRECTORY"),
            statement_timeout=read.whole("FACEDEX_STATEMENT_TIMEOUT", 20),
            account=read.text("FACEDEX_ACCOUNT", DEFAULT_ACCOUNT),
            region=read.region("AWS_REGION", DEFAULT_REGION),
            # No default: a deployment without this setting must not be open to every caller.
            auth=read.one_of(Auth, "FACEDEX_AUTH"),
            audit=read.one_of(Audit, "FACEDEX_AUDIT", Audit.CHANGES),
            audit_days=read.whole("FACEDEX_AUDIT_DAYS", 365, least=7),
            keys_secret=environment.get("FACEDEX_KEYS_SECRET", ""),
            keys_cache=read.whole("FACEDEX_KEYS_CACHE", 30),
            own_key=environment.get("FACEDEX_OWN_KEY", ""),
            database_auth=read.one_of(DatabaseAuth, "FACEDEX_DATABASE_AUTH", DatabaseAuth.PASSWORD),
            database_secret=environment.get("FACEDEX_DATABASE_SECRET", ""),
            database_patience=read.whole("FACEDEX_DATABASE_PATIENCE", 3),
            database_pooled=read.flag("FACEDEX_DATABASE_POOLED"),
            deployment=environment.get("FACEDEX_DEPLOYMENT", ""),
            all_regions=read.flag("FACEDEX_ALL_REGIONS"),
            disk=environment.get("FACEDEX_DISK", ""),
            disk_reserve=read.whole("FACEDEX_DISK_RESERVE", 64),
            log_names=read.flag("FACEDEX_LOG_NAMES"),
            metrics=read.flag("FACEDEX_METRICS"),
            topics=read.topics("FACEDEX_TOPICS"),
            server=environment.get("FACEDEX_SERVER", ""),
            own_services=frozenset(read.several("FACEDEX_OWN_SERVICES")),
            uploads_queue=environment.get("FACEDEX_UPLOADS_QUEUE", ""),
            uploads_dead_letters=environment.get("FACEDEX_UPLOADS_DEAD_LETTERS", ""),
            uploads_delete_faces=read.flag("FACEDEX_UPLOADS_DELETE_FACES"),
            video_queue=environment.get("FACEDEX_VIDEO_QUEUE", ""),
            video_rate=read.whole("FACEDEX_VIDEO_RATE", 5),
            video_segment=read.whole("FACEDEX_VIDEO_SEGMENT", 30),
            video_jobs=read.whole("FACEDEX_VIDEO_JOBS", 200),
            video_timeout=read.whole("FACEDEX_VIDEO_TIMEOUT", 3600),
            video_expiry=read.whole("FACEDEX_VIDEO_EXPIRY", 7),
            worker=read.identity("FACEDEX_WORKER"),
            stream_queue=environment.get("FACEDEX_STREAM_QUEUE", ""),
            stream_processors=read.whole("FACEDEX_STREAM_PROCESSORS", 100),
            stream_rate=read.whole("FACEDEX_STREAM_RATE", 5),
            stream_seconds=read.whole("FACEDEX_STREAM_SECONDS", 840),
            stream_behind=read.whole("FACEDEX_STREAM_BEHIND", 20),
            rate=read.rate("FACEDEX_RATE"),
            rate_file=read.path("FACEDEX_RATE_FILE"),
            rtsp_hosts=read.several("FACEDEX_RTSP_HOSTS"),
            rtsp_credentials=read.several("FACEDEX_RTSP_CREDENTIALS"),
        )


@cache
def settings() -> Settings:
    """Return the settings of this process."""
    return Settings.from_environment(os.environ)
