"""A web application firewall before the API.

Photos are large and random bodies, so rules that look into bodies would refuse them: only rules
on addresses, known attacks' headers and paths, and the number of requests are here.
"""

from __future__ import annotations

from typing import Any, Final

from aws_cdk import ArnFormat, Stack
from aws_cdk.aws_logs import CfnResourcePolicy
from aws_cdk.aws_wafv2 import CfnLoggingConfiguration, CfnWebACL, CfnWebACLAssociation
from constructs import Construct

from infra.constructs.logs import log_group
from infra.settings import StackSettings

_MANAGED: Final = ("AWSManagedRulesAmazonIpReputationList", "AWSManagedRulesKnownBadInputsRuleSet")
# Signatures, and the path and query, which name collections, faces and users.
_UNLOGGED: Final[tuple[dict[str, Any], ...]] = (
    {"SingleHeader": {"Name": "authorization"}},
    {"SingleHeader": {"Name": "x-amz-security-token"}},
    {"UriPath": {}},
    {"QueryString": {}},
)


class Firewall(Construct):
    """A web ACL on the API's stage."""

    def __init__(self, scope: Construct, name: str, settings: StackSettings, stage: str) -> None:
        super().__init__(scope, name)
        rate = CfnWebACL.RateBasedStatementProperty(
            limit=settings.waf_rate, aggregate_key_type="IP"
        )
        rules = [
            CfnWebACL.RuleProperty(
                name="Rate",
                priority=0,
                action=CfnWebACL.RuleActionProperty(block={}),
                statement=CfnWebACL.StatementProperty(rate_based_statement=rate),
                visibility_config=_visible("Rate"),
            ),
            *(
                CfnWebACL.RuleProperty(
                    name=group,
                    priority=number,
                    override_action=CfnWebACL.OverrideActionProperty(none={}),
                    statement=CfnWebACL.StatementProperty(
                        managed_rule_group_statement=CfnWebACL.ManagedRuleGroupStatementProperty(
                            name=group, vendor_name="AWS"
                        )
                    ),
                    visibility_config=_visible(group),
                )
                for number, group in enumerate(_MANAGED, 1)
            ),
        ]
        acl = CfnWebACL(
            self,
            "Acl",
            scope="REGIONAL",
            default_action=CfnWebACL.DefaultActionProperty(allow={}),
            rules=rules,
            visibility_config=_visible(settings.stack),
        )
        CfnWebACLAssociation(self, "Stage", resource_arn=stage, web_acl_arn=acl.attr_arn)
        self._log(settings, acl)

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


def _visible(metric: str) -> CfnWebACL.VisibilityConfigProperty:
    return CfnWebACL.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True,
        metric_name=metric,
        # Samples would hold requests.
        sampled_requests_enabled=False,
    )
