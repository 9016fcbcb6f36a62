"""The settings that a deployment has, with their types and defaults."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AfterValidator, ConfigDict
from pydantic.dataclasses import dataclass

from facedex.settings import Audit
from facedex_models import manifests
from infra.database_urls import DatabaseUrl
from infra.packages import DEFAULT, DEPLOYABLE
from infra.values import (
    Architecture,
    ArchitectureOption,
    AuditOption,
    Auth,
    AuthOption,
    Choice,
    ChoiceOption,
    DatabaseAuth,
    DatabaseAuthOption,
    EnvironmentName,
    Flag,
    Network,
    Number,
    Reach,
    ReachOption,
    Retention,
    RetentionOption,
    Texts,
    Traffic,
    TrafficOption,
    Whole,
    empty_or,
    like,
    one_of,
    within,
)

# The value of kms_key with which the stack creates a key of its own.
CREATE: Final = "create"
_SIGNER: Final = r"arn:aws[a-z-]*:signer:[a-z0-9-]+:\d{12}:/signing-profiles/\w+/\w+"
_A_SIGNER: Final = "arn:aws:signer:eu-central-1:111122223333:/signing-profiles/facedex/AbCdEf1234"
_OF_SECRETS_MANAGER: Final = r"arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[\w/+=.@-]+"
_KEY_ARN: Final = r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[\w-]+"
_KEY: Final = rf"{CREATE}|{_KEY_ARN}"
_RESOURCE: Final = r"(db|cluster|prx)-[A-Za-z0-9]+"
_A_RESOURCE: Final = "db-ABCDEFGHIJKLMNOPQRSTUVWXYZ, cluster-… or prx-…"
_TOPIC: Final = r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[\w.-]+"
_VIDEO_STREAM: Final = r"arn:aws[a-z-]*:kinesisvideo:[a-z0-9-]+:\d{12}:stream/[\w.-]+/\d+"
_A_VIDEO_STREAM: Final = "arn:aws:kinesisvideo:eu-central-1:111122223333:stream/door/1767268800000"
_DATA_STREAM: Final = r"arn:aws[a-z-]*:kinesis:[a-z0-9-]+:\d{12}:stream/[\w.-]+"
_A_DATA_STREAM: Final = "arn:aws:kinesis:eu-central-1:111122223333:stream/seen"
_BUCKET: Final = r"[a-z0-9][a-z0-9.-]{2,62}"  # 3 to 63 characters
_FOLDER: Final = rf"{_BUCKET}(/[A-Za-z0-9_.-]+)*"
# The periods that CloudWatch Logs accepts, up to two years.
_LOG_DAYS: Final = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731)


@dataclass(frozen=True, slots=True, config=ConfigDict(strict=True))
class StackFields:
    """A deployment's settings, each valid by itself.

    Attributes:
        environment: name of the deployment; the stack is called facedex-NAME.
        pack: the default model pack, which the functions carry.
        packs: further model packs that they carry, for collections that were made with them or that
            name one in the tag facedex:pack.
        attributes: carry the model pack for attributes of faces (age, emotions, ...), which
            requests for other than the default attributes need.
        architecture: CPUs of the functions.
        python: Lambda's Python version.
        auth: how callers authenticate: iam, keys (the product's own access keys), or none (private
            only).
        audit: requests with a row in the audit log: off, changes, or all.
        audit_days: days for which these rows are kept.
        endpoint: regional (public, TLS), or private (through your own VPC endpoints).
        vpc_endpoints: ids of the execute-api interface endpoints that may call a private API.
        console: serve the console, pages for people, from the API's own address.
        cidr: addresses of the stack's own network.
        flow_logs: traffic of that network that is logged: off, rejected, or all.
        endpoint_zones: number of zones with interface endpoints; each costs by the hour.
        gallery_memory: MiB for copies of large collections in the memory of each function that
            searches; 0 for none.
        min_capacity: lowest capacity of the database, in ACU; 0 lets it pause.
        max_capacity: highest capacity of the database, in ACU.
        pause_after: seconds without a connection after which the database pauses.
        readers: standby instances of the database, in other zones.
        proxy: put an RDS Proxy in front of the database.
        database_ca: path of RDS's certificate bundle, or of the authority of your own database;
            with it, connections check the database's certificate and name.
        database_url: your own Postgres instead of Aurora, without a password.
        database_auth: how functions authenticate to it: iam (tokens of RDS), or password (in a
            secret).
        database_resource: resource id of the RDS instance, cluster or proxy, for iam.
        database_secret: ARN of the secret with the password, for password.
        database_secret_key: ARN of the KMS key of that secret, if it is a key of your own.
        database_pooled: whether its address is that of a pooler, such as PgBouncer or RDS Proxy.
        subnet_ids: your subnets in which functions connect to it; none for a public address.
        security_group_ids: your security groups of the functions there.
        backup_days: days for which the database can be restored to any moment.
        database_logs: keep the database's log in CloudWatch.
        retention: what happens to data when the stack is destroyed: destroy, snapshot, retain.
        uploads: create an uploads bucket whose objects are indexed.
        uploads_days: days after which uploaded objects are removed; 0 keeps them.
        uploads_concurrency: most copies of index_upload at once.
        versioning: keep deleted and replaced objects of the uploads bucket as versions.
        versions_days: days for which versioning keeps them.
        delete_faces: delete the faces of an uploaded object with the object.
        bulk: create a state machine that indexes the photos of a bucket.
        bulk_buckets: your buckets that its executions may index.
        bulk_reports: bucket, and optionally a folder of it, for the results and the reports.
        bulk_concurrency: most photos of one execution at once.
        video: create the queue and the workers for stored video.
        video_concurrency: most workers for stored video at once.
        streams: create the queue and the workers for streaming video.
        streams_concurrency: most workers for streaming video at once, each for one stream.
        video_streams: ARNs of your Kinesis video streams that stream processors may read.
        data_streams: ARNs of your Kinesis data streams that stream processors may write to.
        image_buckets: your buckets from which callers may name images and videos.
        topics: ARNs of your SNS topics to which video jobs may be announced.
        rate: requests a second that the API accepts from all callers together.
        burst: requests that it accepts at once.
        waf: put a web application firewall in front of the API: true, false, or auto, which is true
            where strangers share the API's throttle with callers: auth=keys on a regional endpoint.
        waf_rate: requests in five minutes from one address, above which the firewall refuses.
        kms_key: key that encrypts what the stack stores: the ARN of your own, create for one of the
            stack's, or empty for AWS's.
        code_signing: ARNs of versions of your AWS Signer profiles; Lambda refuses functions and
            layers that none of them has signed.
        gateway_log_role: set the account's role for API Gateway's logs in this region.
        log_days: days for which logs are kept.
        alarm_email: address that alarms are sent to.
        alarm_topic: ARN of your SNS topic that alarms are sent to.
        dashboard: create a CloudWatch dashboard.
        metrics: write all metrics of the functions to CloudWatch, by operation, stage and network.
        tracing: trace the functions and bulk executions with X-Ray.
        sweep_minutes: minutes between two sweeps, which finish deletions and revive stalled work;
            one with streams.
        snapstart: start the API's functions from snapshots.
        provisioned: copies of the front door that are kept warm.
    """

    environment: EnvironmentName = "dev"
    pack: str = manifests.DEFAULT
    packs: Texts = ()
    attributes: Flag = True
    architecture: ArchitectureOption = Architecture.ARM64
    python: Annotated[str, AfterValidator(one_of(DEPLOYABLE))] = DEFAULT.python
    auth: AuthOption = Auth.IAM
    audit: AuditOption = Audit.CHANGES
    audit_days: Annotated[Whole, within(7, 36_500)] = 365
    endpoint: ReachOption = Reach.REGIONAL
    vpc_endpoints: Annotated[Texts, like(r"vpce-[0-9a-f]{8,}", "vpce-0a1b2c3d")] = ()
    console: Flag = False
    cidr: Network = "10.60.0.0/22"
    flow_logs: TrafficOption = Traffic.OFF
    endpoint_zones: Annotated[Whole, within(1, 2)] = 1
    gallery_memory: Annotated[Whole, within(0, 9000)] = 512
    min_capacity: Annotated[Number, within(0, 256)] = 0.0
    max_capacity: Annotated[Number, within(1, 256)] = 4.0
    pause_after: Annotated[Whole, within(300, 86_400)] = 300
    readers: Annotated[Whole, within(0, 15)] = 0
    proxy: Flag = False
    database_ca: str = ""
    database_url: DatabaseUrl = ""
    database_auth: DatabaseAuthOption = DatabaseAuth.IAM
    database_resource: Annotated[str, empty_or(_RESOURCE, f"like {_A_RESOURCE}")] = ""
    database_secret: Annotated[str, empty_or(_OF_SECRETS_MANAGER, "the ARN of a secret")] = ""
    database_secret_key: Annotated[str, empty_or(_KEY_ARN, "the ARN of a KMS key")] = ""
    database_pooled: Flag = False
    subnet_ids: Annotated[Texts, like(r"subnet-[0-9a-f]{8,}", "subnet-0a1b2c3d")] = ()
    security_group_ids: Annotated[Texts, like(r"sg-[0-9a-f]{8,}", "sg-0a1b2c3d")] = ()
    backup_days: Annotated[Whole, within(1, 35)] = 7
    database_logs: Flag = False
    retention: RetentionOption = Retention.DESTROY
    uploads: Flag = True
    uploads_days: Annotated[Whole, within(0, 36_500)] = 0
    uploads_concurrency: Annotated[Whole, within(2, 1000)] = 10
    versioning: Flag = False
    versions_days: Annotated[Whole, within(1, 36_500)] = 30
    delete_faces: Flag = False
    bulk: Flag = False
    bulk_buckets: Annotated[Texts, like(_BUCKET, "my-photos")] = ()
    bulk_reports: Annotated[str, empty_or(_FOLDER, "like my-reports/facedex")] = ""
    bulk_concurrency: Annotated[Whole, within(1, 1000)] = 10
    video: Flag = False
    video_concurrency: Annotated[Whole, within(2, 1000)] = 10
    streams: Flag = False
    streams_concurrency: Annotated[Whole, within(2, 1000)] = 10
    video_streams: Annotated[Texts, like(_VIDEO_STREAM, _A_VIDEO_STREAM)] = ()
    data_streams: Annotated[Texts, like(_DATA_STREAM, _A_DATA_STREAM)] = ()
    image_buckets: Annotated[Texts, like(_BUCKET, "my-photos")] = ()
    topics: Annotated[Texts, like(_TOPIC, "arn:aws:sns:eu-central-1:111122223333:done")] = ()
    rate: Annotated[Whole, within(1, 10_000)] = 100
    burst: Annotated[Whole, within(1, 10_000)] = 200
    waf: ChoiceOption = Choice.AUTO
    waf_rate: Annotated[Whole, within(10, 2_000_000_000)] = 10_000
    kms_key: Annotated[str, empty_or(_KEY, "create, or the ARN of a KMS key")] = ""
    code_signing: Annotated[Texts, like(_SIGNER, _A_SIGNER)] = ()
    gateway_log_role: Flag = True
    log_days: Annotated[Whole, AfterValidator(one_of(_LOG_DAYS))] = 30
    alarm_email: Annotated[str, empty_or(r"[^@\s]+@[^@\s]+", "an e-mail address")] = ""
    alarm_topic: Annotated[str, empty_or(_TOPIC, "the ARN of an SNS topic")] = ""
    dashboard: Flag = True
    metrics: Flag = False
    tracing: Flag = True
    sweep_minutes: Annotated[Whole, within(1, 1440)] = 60
    snapstart: Flag = False
    provisioned: Annotated[Whole, within(0, 1000)] = 0

    @property
    def stack(self) -> str:
        """The stack's name, which every name in the account begins with."""
        return f"facedex-{self.environment}"

    @property
    def firewall(self) -> bool:
        """Whether there is a web application firewall in front of the API."""
        if self.waf is not Choice.AUTO:
            return self.waf is Choice.TRUE
        return self.auth is Auth.KEYS and self.endpoint is Reach.REGIONAL

    @property
    def all_packs(self) -> tuple[str, ...]:
        """The model packs that the functions carry, the default one first."""
        extra = (manifests.ATTRIBUTES,) if self.attributes else ()
        return tuple(dict.fromkeys((self.pack, *self.packs, *extra)))
