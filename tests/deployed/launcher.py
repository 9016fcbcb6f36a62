"""MiniStack, with what it lacks for the stack. MiniStack's own Python runs this file.

Each addition is small and stands for a behaviour of AWS that MiniStack 1.5.33 does not have. None
changes the product. docs/deploy.md lists them for the reader, with what cannot be shown here.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

from ministack.core import iam_actions
from ministack.services import ec2, rds, rds_data, s3, secretsmanager
from ministack.services.cloudformation import provisioners

Properties = Mapping[str, Any]
Created = tuple[str, dict[str, Any]]
Handlers = dict[str, Callable[..., Any]]

_HANDLERS: dict[str, Handlers] = provisioners._RESOURCE_HANDLERS


def add_security_group_rules() -> None:
    """Create AWS::EC2::SecurityGroupIngress and -Egress, which MiniStack does not know."""

    def handlers(direction: str) -> Handlers:
        def create(logical_id: str, properties: Properties, stack: str) -> Created:
            ec2._ensure_defaults_initialized()
            rules = provisioners._ec2_sg_permissions([properties])
            ec2._security_groups[properties["GroupId"]].setdefault(direction, []).extend(rules)
            return f"sgr-{logical_id[:17].lower()}", {"Id": logical_id}

        def delete(physical_id: str, properties: Properties) -> None:
            group = ec2._security_groups.get(properties.get("GroupId"))
            for rule in provisioners._ec2_sg_permissions([properties]):
                if group and rule in group.get(direction, []):
                    group[direction].remove(rule)

        return {"create": create, "delete": delete}

    _HANDLERS["AWS::EC2::SecurityGroupIngress"] = handlers("IpPermissions")
    _HANDLERS["AWS::EC2::SecurityGroupEgress"] = handlers("IpPermissionsEgress")


def add_master_secret() -> None:
    """Give a database cluster the secret of its managed master password, and a Data API."""
    create_cluster = _HANDLERS["AWS::RDS::DBCluster"]["create"]

    def create(logical_id: str, properties: Properties, stack: str) -> Created:
        name, attributes = create_cluster(logical_id, properties, stack)
        if str(properties.get("ManageMasterUserPassword")).lower() == "true":
            cluster = rds._clusters[name]
            arn = secretsmanager.create_secret_in_process(
                "rds!" + cluster["DbClusterResourceId"].lower(),
                json.dumps({"username": cluster["MasterUsername"], "password": "unused"}),
                description="master",
            )
            cluster["MasterUserSecret"] = {"SecretArn": arn, "SecretStatus": "active"}
            attributes["MasterUserSecret.SecretArn"] = arn
        return name, attributes

    _HANDLERS["AWS::RDS::DBCluster"]["create"] = create
    # PGHOSTADDR sends every database's name to the Postgres of the tests, which distinguishes
    # clusters by their names; the names of their instances are not known there.
    rds_data._has_real_endpoint = lambda instance: True  # noqa: ARG005
    connect = rds_data._connect

    def connect_to_cluster(instance: Properties, *arguments: Any, **named: Any) -> Any:
        cluster = rds._clusters[instance["DBClusterIdentifier"]]
        endpoint = {**instance["Endpoint"], "Address": cluster["Endpoint"]}
        return connect({**instance, "Endpoint": endpoint}, *arguments, **named)

    rds_data._connect = connect_to_cluster


def add_metric_mathematics() -> None:
    """Accept alarms on a sum of metrics, with the first metric instead of all."""
    handlers = _HANDLERS["AWS::CloudWatch::Alarm"]
    create_alarm, update_alarm = handlers["create"], handlers["update"]

    def create(logical_id: str, properties: Properties, stack: str) -> Any:
        return create_alarm(logical_id, _without_mathematics(properties), stack)

    def update(physical_id: str, old: Properties, new: Properties, *rest: Any) -> Any:
        return update_alarm(
            physical_id, _without_mathematics(old), _without_mathematics(new), *rest
        )

    handlers |= {"create": create, "update": update}


def _without_mathematics(properties: Properties) -> Properties:
    given = dict(properties)
    metrics = given.pop("Metrics", None)
    if not metrics:
        return given
    statistics = next(each["MetricStat"] for each in metrics if "MetricStat" in each)
    return given | {
        "MetricName": statistics["Metric"]["MetricName"],
        "Namespace": statistics["Metric"]["Namespace"],
        "Statistic": statistics.get("Stat", "Sum"),
        "Period": statistics.get("Period", 300),
    }


def add_bucket_tags() -> None:
    """Keep a bucket's tags: the CDK's own function empties only buckets that have its tag."""
    create_bucket = _HANDLERS["AWS::S3::Bucket"]["create"]

    def create(logical_id: str, properties: Properties, stack: str) -> Created:
        name, attributes = create_bucket(logical_id, properties, stack)
        if tags := properties.get("Tags"):
            s3._bucket_tags[name] = {tag["Key"]: tag["Value"] for tag in tags}
        return name, attributes

    _HANDLERS["AWS::S3::Bucket"]["create"] = create


def add_firewall_resources() -> None:
    """Accept a firewall's association and its log, which have no effect here."""
    for kind in ("AWS::WAFv2::WebACLAssociation", "AWS::WAFv2::LoggingConfiguration"):
        _HANDLERS.setdefault(
            kind,
            {
                "create": lambda logical_id, properties, stack: (logical_id, {}),  # noqa: ARG005
                "delete": lambda physical_id, properties: None,  # noqa: ARG005
            },
        )


def add_secret_arns() -> None:
    """Return a secret's ARN for ``Ref``, as CloudFormation does."""
    create_secret = _HANDLERS["AWS::SecretsManager::Secret"]["create"]

    def create(logical_id: str, properties: Properties, stack: str) -> Created:
        name, attributes = create_secret(logical_id, properties, stack)
        arn = attributes.get("Id") or attributes.get("Arn")
        if not arn:
            secrets = secretsmanager._secrets.values()
            arn = next(each["ARN"] for each in secrets if each["Name"] == name)
        return arn, attributes

    _HANDLERS["AWS::SecretsManager::Secret"]["create"] = create


def add_batch_permissions() -> None:
    """Let a permission for SQS's single action allow its batch, as IAM does."""
    find_action = iam_actions.extract_iam_action

    def find(*arguments: Any, **named: Any) -> Any:
        action = find_action(*arguments, **named)
        return action.removesuffix("Batch") if action and action.startswith("sqs:") else action

    iam_actions.extract_iam_action = find


def main() -> None:
    add_security_group_rules()
    add_master_secret()
    add_metric_mathematics()
    add_bucket_tags()
    add_firewall_resources()
    add_secret_arns()
    add_batch_permissions()
    # Beside this file, which MiniStack's own Python runs without the tests' packages.
    state_machines = importlib.import_module("state_machines")
    state_machines.add_map_paths_and_results()
    state_machines.add_ends_and_redrives()
    state_machines.add_error_names()
    # Imported here, after the additions.
    from ministack.app import main as run

    sys.exit(run())


if __name__ == "__main__":
    main()
