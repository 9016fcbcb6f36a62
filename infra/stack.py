"""The stack, which connects its parts."""

from __future__ import annotations

from typing import Final

from aws_cdk import Annotations, CfnOutput, Duration, Fn, Stack, Tags
from aws_cdk.aws_events import Rule, Schedule
from aws_cdk.aws_events_targets import LambdaFunction
from aws_cdk.aws_iam import PolicyStatement
from aws_cdk.aws_lambda import Function
from aws_cdk.aws_secretsmanager import Secret, SecretStringGenerator
from constructs import Construct

from facedex.api.catalog import OTHER_FUNCTIONS, Need, OtherFunction, Trigger
from infra.constructs import bulk
from infra.constructs.api import Api
from infra.constructs.database import Database
from infra.constructs.encryption import encrypt
from infra.constructs.existing import ExistingDatabase, ExistingNetwork
from infra.constructs.firewall import Firewall
from infra.constructs.functions import Functions
from infra.constructs.logs import log_group
from infra.constructs.network import Network
from infra.constructs.observability import Observability
from infra.constructs.placing import DatabaseAccess, Placement
from infra.constructs.refusals import watch_refusals
from infra.constructs.removal import data_policy
from infra.constructs.review import accept
from infra.constructs.schema import Schema
from infra.constructs.streams import StreamWork
from infra.constructs.uploads import OF_BUCKET, Uploads
from infra.constructs.video import VideoWork
from infra.constructs.watching import Watched, watch_events, watch_queue
from infra.rows import deployed, needs, uses_keys
from infra.settings import StackSettings
from infra.values import Auth, Retention

# CloudFormation receives responses in a bucket of this name and the region's, without hyphens.
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-vpce-bucketnames.html
_ANSWERS: Final = "cloudformation-custom-resource-response-"
_READING: Final = ("s3:GetObject", "s3:GetObjectVersion")


class Facedex(Stack):
    """The stack with everything that is deployed."""

    def __init__(self, scope: Construct, settings: StackSettings) -> None:
        super().__init__(
            scope,
            settings.stack,
            description="Facedex: Amazon Rekognition's face collections, your own",
        )
        self._settings = settings
        # The construct library declares twice that a function depends on its role, which cfn-lint
        # reports; this silences it for users who lint the template.
        self.template_options.metadata = {"cfn-lint": {"config": {"ignore_checks": ["W3005"]}}}
        Tags.of(self).add(
            "facedex:environment",
            settings.environment,
            exclude_resource_types=["AWS::RDS::DBProxyTargetGroup"],  # it takes none
        )
        self.network, self.database = self._add_database()
        self.functions = Functions(self, "Functions", settings, self.network, self.database)
        self._add_schema()
        self._add_keys()
        parts = [*self._add_uploads(), *self._add_bulk(), *self._add_video(), *self._add_streams()]
        self._allow_in_s3()
        self._add_schedule()
        self.api = Api(self, "Api", settings, self.functions)
        parts.append(watch_refusals(self.api, settings))
        events = [function for _, function in self._workers(Trigger.SCHEDULE)]
        if settings.bulk:
            events.append(self.functions.by_name["report_bulk"])
        parts.append(watch_events(events))
        if settings.firewall:
            stage = self.api.rest.deployment_stage.stage_arn
            parts.append(Firewall(self, "Firewall", settings, stage).watched)
        workers = [
            self.functions.by_name[name]
            for name, row in OTHER_FUNCTIONS.items()
            # An alarm takes ten metrics; API Gateway counts the errors of the console.
            if name in self.functions.by_name and row.trigger is not Trigger.PAGES
        ]
        parts.insert(0, self.database.watched)
        callers = [self.functions.by_name["front_door"]]
        Observability(self, "Observability", settings, self.api, workers, parts, callers)
        self._accept_findings_of_the_library()
        self._add_outputs()
        self._announce_retention()

    def _add_database(self) -> tuple[Placement, DatabaseAccess]:
        settings = self._settings
        if settings.database_url:
            return ExistingNetwork(settings), ExistingDatabase(self, settings)
        network = Network(self, "Network", settings)
        log = log_group(self, "PreparationLog", f"/facedex/{settings.stack}/preparation", settings)
        return network, Database(self, "Database", settings, network, log)

    def _add_schema(self) -> None:
        for worker in OTHER_FUNCTIONS.values():
            if worker.trigger is not Trigger.DEPLOYMENT:
                continue
            migrate = self.functions.by_name[worker.function]
            self.database.wake(migrate, self.network)
            schema = Schema(self, "Schema", self.database, self.network, migrate)
            # Newer code never runs on an older schema.
            for row in deployed(self._settings):
                if Need.DATABASE in needs(row, self._settings) and row is not worker:
                    self.functions.by_name[row.function].node.add_dependency(schema)

    def _add_keys(self) -> None:
        if self._settings.auth is not Auth.KEYS:
            return
        secret = Secret(
            self,
            "KeysSecret",
            description="What the access keys' secrets are encrypted under in the database",
            generate_secret_string=SecretStringGenerator(
                password_length=64, exclude_punctuation=True
            ),
            removal_policy=data_policy(self._settings),
        )
        encrypt(secret, self._settings)
        accept(
            secret,
            {
                "AwsSolutions-SMG4": "Another secret would make every stored access key"
                " unreadable; it is changed by making new keys."
            },
        )
        for row in deployed(self._settings):
            if uses_keys(row):
                function = self.functions.by_name[row.function]
                function.add_environment(
                    "FACEDEX_KEYS_SECRET", f"secretsmanager:{secret.secret_arn}"
                )
                function.add_to_role_policy(
                    PolicyStatement(
                        actions=["secretsmanager:GetSecretValue"], resources=[secret.secret_arn]
                    )
                )

    def _add_uploads(self) -> list[Watched]:
        self._uploads: Uploads | None = None
        parts = []
        for worker, function in self._workers(Trigger.UPLOADS):
            uploads = self._uploads = Uploads(self, "Uploads", self._settings, worker.timeout)
            uploads.attach(function)
            function.add_environment("FACEDEX_UPLOADS_QUEUE", uploads.queue.queue_url)
            function.add_environment("FACEDEX_UPLOADS_DEAD_LETTERS", uploads.dead_letters.queue_url)
            function.add_environment(
                "FACEDEX_UPLOADS_DELETE_FACES", str(self._settings.delete_faces).lower()
            )
            parts.append(watch_queue("Uploads", uploads.queue, uploads.dead_letters))
            for row in deployed(self._settings):
                if Need.S3 in row.needs and row is not worker:
                    uploads.grant(self.functions.by_name[row.function], *_READING)
        return parts

    def _add_bulk(self) -> list[Watched]:
        self._bulk: bulk.Bulk | None = None
        if not self._settings.bulk:
            return []
        self._bulk = bulk.Bulk(
            self,
            "Bulk",
            self._settings,
            index=self.functions.by_name["index_bulk"],
            report=self.functions.by_name["report_bulk"],
        )
        return [self._bulk.watched]

    def _add_video(self) -> list[Watched]:
        parts = []
        for worker, function in self._workers(Trigger.VIDEO):
            work = VideoWork(self, "Video", self._settings, worker.timeout)
            work.attach(function)
            parts.append(watch_queue("Video", work.queue, work.dead_letters))
            for row in deployed(self._settings):
                if Need.VIDEO_QUEUE in row.needs:
                    work.admit(self.functions.by_name[row.function])
        return parts

    def _add_streams(self) -> list[Watched]:
        parts: list[Watched] = []
        for worker, function in self._workers(Trigger.STREAMS):
            work = StreamWork(self, "Streams", self._settings, worker.timeout)
            work.attach(function)
            parts += [work.watched(sweep) for _, sweep in self._workers(Trigger.SCHEDULE)]
            for row in deployed(self._settings):
                if Need.STREAM_QUEUE in row.needs:
                    work.admit(self.functions.by_name[row.function])
        return parts

    def _workers(self, trigger: Trigger) -> list[tuple[OtherFunction, Function]]:
        return [
            (worker, self.functions.by_name[worker.function])
            for worker in OTHER_FUNCTIONS.values()
            if worker.trigger is trigger and worker.function in self.functions.by_name
        ]

    def _allow_in_s3(self) -> None:
        named = [f"arn:{self.partition}:s3:::{each}/*" for each in self._settings.image_buckets]
        if self._uploads:
            named.append(f"{self._uploads.arn_of_bucket}/*")
            self.network.allow_in_s3(self._uploads.actions, [f"{self._uploads.arn_of_bucket}/*"])
            self.network.allow_in_s3(OF_BUCKET, [self._uploads.arn_of_bucket])
        if self._bulk:
            self.network.allow_in_s3(bulk.READING, self._bulk.sources)
            self.network.allow_in_s3(bulk.OF_BUCKETS, self._bulk.buckets)
        if named:
            self.network.allow_in_s3(_READING, named)
        region = Fn.join("", Fn.split("-", self.region))
        answers = f"arn:{self.partition}:s3:::{_ANSWERS}{region}/*"
        self.network.allow_in_s3(["s3:PutObject"], [answers])

    def _add_schedule(self) -> None:
        for _, function in self._workers(Trigger.SCHEDULE):
            # A stream whose worker has died must not wait long for another.
            minutes = 1 if self._settings.streams else self._settings.sweep_minutes
            every = Schedule.rate(Duration.minutes(minutes))
            rule = Rule(self, "Sweeping", schedule=every, description="Calls Facedex's sweep")
            rule.add_target(LambdaFunction(function))

    def _accept_findings_of_the_library(self) -> None:
        """Yield the functions that the construct library adds, and their roles."""
        reasons = {
            "AwsSolutions-L1": "The construct library chooses the runtime of its own function.",
            "AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/"
            "AWSLambdaBasicExecutionRole]": "The construct library's own function; AWS's policy"
            " lets it write its log.",
        }
        for child in self.node.children:
            if child.node.id.startswith(("AWS679", "Custom::S3AutoDelete")):
                accept(child, reasons)

    def _announce_retention(self) -> None:
        """Say in each synthesis what a removal deletes, as a forgotten setting changes that."""
        if self._settings.retention is not Retention.DESTROY:
            return
        data = {
            "the database with all faces": not self._settings.database_url,
            "the uploads bucket with all photos": self._settings.uploads,
            "the secret of the access keys": self._settings.auth is Auth.KEYS,
        }
        if deleted := [what for what, there in data.items() if there]:
            Annotations.of(self).add_info_v2(
                "facedex:retention",
                f"retention=destroy: `cdk destroy` deletes {', '.join(deleted)}; retention=retain"
                " keeps them.",
            )

    def _add_outputs(self) -> None:
        settings = self._settings
        ways = {
            Auth.IAM: "Sign as execute-api with IAM credentials that may execute-api:Invoke",
            Auth.KEYS: "Sign with an access key made by the function access_keys",
            Auth.NONE: "From behind the VPC endpoints, with any credentials",
        }
        self._output("Endpoint", self.api.url, "AWS_ENDPOINT_URL_REKOGNITION for every AWS SDK")
        if settings.console:
            self._output("Console", self.api.console_url, "Pages for people")
        self._output("HowToCall", ways[settings.auth], "Who may call; docs/deploy.md shows code")
        self._output(
            "CallersMay",
            self.api.rest.arn_for_execute_api("*", "/*", "live"),
            "What a policy lets callers execute-api:Invoke",
        )
        if self._uploads:
            self._output(
                "UploadsBucket",
                self._uploads.bucket.bucket_name,
                "Put <CollectionId>/<ExternalImageId>.jpg here",
            )
        if self._bulk:
            self._output(
                "BulkStateMachine", self._bulk.arn, "Start an execution to index a bucket's photos"
            )
        if settings.dashboard:
            self._output(
                "DashboardLink",
                f"https://console.aws.amazon.com/cloudwatch/home?region={self.region}"
                f"#dashboards/dashboard/{settings.stack}",
                "Figures",
            )

    def _output(self, name: str, value: str, description: str) -> None:
        CfnOutput(self, name, value=value, description=description)
