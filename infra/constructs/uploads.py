"""The uploads bucket, whose objects are indexed through a queue that no message can block."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from aws_cdk import Duration, Fn, Stack
from aws_cdk.aws_iam import PolicyStatement, ServicePrincipal
from aws_cdk.aws_lambda import Function
from aws_cdk.aws_s3 import (
    BlockPublicAccess,
    Bucket,
    BucketEncryption,
    CfnBucket,
    LifecycleRule,
    ObjectOwnership,
)
from aws_cdk.aws_sqs import Queue
from constructs import Construct

from infra.constructs.encryption import encrypt
from infra.constructs.queues import queue_with_dead_letters, work_off
from infra.constructs.removal import data_policy
from infra.constructs.review import accept
from infra.settings import StackSettings
from infra.values import Retention

_EVENTS: Final = ("s3:ObjectCreated:*", "s3:ObjectRemoved:*")
# Actions that indexing needs; with versions, notifications name one.
OF_OBJECTS: Final = ("s3:GetObject", "s3:GetObjectTagging", "s3:PutObjectTagging")
OF_VERSIONS: Final = (
    "s3:GetObjectVersion",
    "s3:GetObjectVersionTagging",
    "s3:PutObjectVersionTagging",
)
OF_BUCKET: Final = ("s3:ListBucket",)


class Uploads(Construct):
    """The bucket, its queue, and the dead-letter queue for uploads that can never be indexed.

    Attributes:
        name_of_bucket: the bucket's name, known before the bucket is there.
    """

    def __init__(self, scope: Construct, name: str, settings: StackSettings, timeout: int) -> None:
        super().__init__(scope, name)
        self._settings = settings
        stack = Stack.of(self)
        # The name is known in advance, because the queue's policy must exist before the bucket. It
        # ends with a part of the stack's own id, so it differs from the bucket that an earlier
        # stack of the same name may have left.
        self._unique = Fn.select(0, Fn.split("-", Fn.select(2, Fn.split("/", stack.stack_id))))
        self.name_of_bucket = f"{settings.stack}-uploads-{self._unique}"
        self.arn_of_bucket = f"arn:{stack.partition}:s3:::{self.name_of_bucket}"
        self.queue, self.dead_letters = queue_with_dead_letters(self, settings, timeout=timeout)
        self._admit_bucket(self.queue)
        self.bucket = self._bucket(settings)

    @property
    def actions(self) -> tuple[str, ...]:
        """The actions on objects that indexing needs."""
        return (*OF_OBJECTS, *(OF_VERSIONS if self._settings.versioning else ()))

    def attach(self, function: Function) -> None:
        """Invoke a function for each upload."""
        work_off(self.queue, function, concurrency=self._settings.uploads_concurrency)
        self.dead_letters.grant_send_messages(function)
        # Uploads that must wait for a paused database are sent to the queue again.
        self.queue.grant_send_messages(function)
        self.grant(function, *self.actions)
        # To distinguish a missing object from one that may not be read.
        self._allow(function, OF_BUCKET, self.arn_of_bucket)

    def grant(self, function: Function, *actions: str) -> None:
        """Allow a function some actions on the bucket's objects."""
        self._allow(function, actions, f"{self.arn_of_bucket}/*")
        assert function.role is not None
        unique = json.dumps(Stack.of(self).resolve(self._unique), separators=(",", ":"))
        accept(
            function.role,
            {
                "AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:s3:::"
                f"{self._settings.stack}-uploads-{unique}/*]": "The objects of the uploads bucket,"
                " whose names their uploaders choose."
            },
        )

    def _allow(self, function: Function, actions: Sequence[str], resource: str) -> None:
        # If the bucket were removed, another account could create one of that name.
        account = {"StringEquals": {"s3:ResourceAccount": Stack.of(self).account}}
        function.add_to_role_policy(
            PolicyStatement(actions=list(actions), resources=[resource], conditions=account)
        )

    def _admit_bucket(self, queue: Queue) -> None:
        queue.add_to_resource_policy(
            PolicyStatement(
                principals=[ServicePrincipal("s3.amazonaws.com")],
                actions=["sqs:SendMessage"],
                resources=[queue.queue_arn],
                conditions={
                    "ArnEquals": {"aws:SourceArn": self.arn_of_bucket},
                    "StringEquals": {"aws:SourceAccount": Stack.of(self).account},
                },
            )
        )

    def _bucket(self, settings: StackSettings) -> Bucket:
        ends = settings.retention is Retention.DESTROY
        bucket = Bucket(
            self,
            "Bucket",
            bucket_name=self.name_of_bucket,
            block_public_access=BlockPublicAccess.BLOCK_ALL,
            object_ownership=ObjectOwnership.BUCKET_OWNER_ENFORCED,
            encryption=BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            # By default without versions, so that a photo that its owner deletes is really deleted.
            versioned=settings.versioning,
            lifecycle_rules=_lifecycle(settings),
            removal_policy=data_policy(settings),
            auto_delete_objects=ends,
        )
        accept(
            bucket,
            {
                "AwsSolutions-S1": "A bucket for access logs would outlive the stack; CloudTrail's"
                " data events can record who read and wrote which object."
            },
        )
        # Set on the bucket itself: the CDK's own construct would add a function with permission to
        # change any bucket's notifications.
        resource = bucket.node.default_child
        assert isinstance(resource, CfnBucket)
        encrypt(resource, settings)
        resource.notification_configuration = CfnBucket.NotificationConfigurationProperty(
            queue_configurations=[
                CfnBucket.QueueConfigurationProperty(event=event, queue=self.queue.queue_arn)
                for event in _EVENTS
            ]
        )
        # S3 tests that it may send before it accepts the configuration.
        policy = self.queue.node.find_child("Policy")
        resource.node.add_dependency(policy)
        return bucket


def _lifecycle(settings: StackSettings) -> list[LifecycleRule]:
    expiration = Duration.days(settings.uploads_days) if settings.uploads_days else None
    rules = [
        LifecycleRule(
            abort_incomplete_multipart_upload_after=Duration.days(1), expiration=expiration
        )
    ]
    if settings.versioning:
        kept = Duration.days(settings.versions_days)
        rules.append(LifecycleRule(noncurrent_version_expiration=kept))
        if expiration is None:  # S3 accepts one of the two; an expiration removes markers too
            rules.append(LifecycleRule(expired_object_delete_marker=True))
    return rules
