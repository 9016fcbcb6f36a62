"""A web application firewall before the API.

Photos are large and random bodies, so rules that look into bodies would refuse some of them: only
rules on addresses, signatures, known attacks' headers and paths, and the number of requests are
here. AWS evaluates them before the API itself, so what they refuse costs no function and no place
in the API's throttle.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from aws_cdk import ArnFormat, Stack
from aws_cdk.aws_cloudwatch import Metric, Stats
from aws_cdk.aws_logs import CfnResourcePolicy
from aws_cdk.aws_wafv2 import CfnLoggingConfiguration, CfnWebACL, CfnWebACLAssociation
from constructs import Construct

from infra.constructs.firewall_rules import BODIES, rules
from infra.constructs.logs import log_group
from infra.constructs.watching import PERIOD, Watch, Watched
from infra.settings import StackSettings

# Signatures, and the path and query, which name collections, faces and users.
_UNLOGGED: Final[tuple[dict[str, Any], ...]] = (
    {"SingleHeader": {"Name": "authorization"}},
    {"SingleHeader": {"Name": "x-amz-security-token"}},
    {"UriPath": {}},
    {"QueryString": {}},
)
_MANY: Final = 1_000  # requests in five minutes


class Firewall(Construct):
    """A web ACL on the API's stage."""

    def __init__(self, scope: Construct, name: str, settings: StackSettings, stage: str) -> None:
        super().__init__(scope, name)
        self._name = settings.stack
        acl = CfnWebACL(
            self,
            "Acl",
            name=self._name,
            scope="REGIONAL",
            default_action=CfnWebACL.DefaultActionProperty(allow={}),
            custom_response_bodies={
                key: CfnWebACL.CustomResponseBodyProperty(
                    content=content, content_type="APPLICATION_JSON"
                )
                for key, content in BODIES.items()
            },
            rules=_in_order(rules(settings)),
            visibility_config=_visible(self._name),
        )
        CfnWebACLAssociation(self, "Stage", resource_arn=stage, web_acl_arn=acl.attr_arn)
        self._log(settings, acl)

    @property
    def watched(self) -> Watched:
        """The alarm and the figure of refused requests."""
        refused = Metric(
            namespace="AWS/WAFV2",
            metric_name="BlockedRequests",
            dimensions_map={
                "Region": Stack.of(self).region,
                "Rule": "ALL",
                "WebACL": self._name,
            },
            period=PERIOD,
            statistic=Stats.SUM,
            label="refused",
        )
        alarm = Watch(
            "FirewallRefused",
            refused,
            _MANY,
            "The firewall refuses many requests; its log has their addresses.",
        )
        return Watched((alarm,), {"Firewall": [refused]})

    def _log(self, settings: StackSettings, acl: CfnWebACL) -> None:
        stack = Stack.of(self)
        # AWS requires this prefix of the name.
        group = log_group(self, "Log", f"aws-waf-logs-{settings.stack}", settings)
        admitted = CfnResourcePolicy(
            self,
            "LogPolicy",
            policy_name=f"{settings.stack}-waf-logs",
            policy_document=stack.to_json_string(
                {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "delivery.logs.amazonaws.com"},
                            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
                            "Resource": group.log_group_arn,
                            "Condition": {"StringEquals": {"aws:SourceAccount": stack.account}},
                        }
                    ],
                }
            ),
        )
        logging = CfnLoggingConfiguration(
            self,
            "Logging",
            resource_arn=acl.attr_arn,
            log_destination_configs=[
                stack.format_arn(
                    service="logs",
                    resource="log-group",
                    resource_name=f"aws-waf-logs-{settings.stack}",
                    arn_format=ArnFormat.COLON_RESOURCE_NAME,
                )
            ],
        )
        # In CloudFormation's own spelling, which the construct library does not pass on.
        logging.add_property_override("RedactedFields", list(_UNLOGGED))
        logging.node.add_dependency(group, admitted)


def _in_order(statements: Sequence[dict[str, Any]]) -> list[CfnWebACL.RuleProperty]:
    return [
        CfnWebACL.RuleProperty(
            **statement, priority=priority, visibility_config=_visible(statement["name"])
        )
        for priority, statement in enumerate(statements)
    ]


def _visible(metric: str) -> CfnWebACL.VisibilityConfigProperty:
    return CfnWebACL.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True,
        metric_name=metric,
        # Samples would hold requests.
        sampled_requests_enabled=False,
    )
