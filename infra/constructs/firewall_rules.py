"""The rules of the web application firewall, and what it answers."""

from __future__ import annotations

import json
from typing import Any, Final

from aws_cdk.aws_wafv2 import CfnWebACL

from facedex.access.authorization import UNSIGNED
from infra.constructs.api import CONSOLE, STAGE
from infra.constructs.responses import ERRORS, GatewayError
from infra.settings import StackSettings
from infra.values import Auth

# What all ids of the product's access keys begin with; see facedex/store/access_keys.py.
KEY_PREFIX: Final = "FDX"

# Rules of AWS's groups that look into bodies, where a photo may contain anything. AWS ignores names
# that a group does not have (yet, or any more).
# https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-baseline.html
_MANAGED: Final[dict[str, tuple[str, ...]]] = {
    "AWSManagedRulesAmazonIpReputationList": (),
    "AWSManagedRulesKnownBadInputsRuleSet": (
        "JavaDeserializationRCE_BODY",
        "Log4JRCE_BODY",
        "ReactJSRCE_BODY",
    ),
}

# The firewall's own responses, by the rules' names. The rules of AWS's groups have none: API
# Gateway answers for them, with the response WAF_FILTERED.
_ERRORS: Final[dict[str, GatewayError]] = {
    "Rate": ERRORS["THROTTLED"],
    "Unsigned": GatewayError("MissingAuthenticationTokenException", UNSIGNED),
    "ForeignKey": GatewayError(
        "UnrecognizedClientException", "The security token included in the request is invalid."
    ),
}


def _body(rule: str, error: GatewayError) -> str:
    # The firewall knows no id of the request; its log names the rule in terminatingRuleId.
    return json.dumps(
        {"__type": error.code, "Code": error.code, "Logref": rule, "Message": error.message}
    )


BODIES: Final = {rule: _body(rule, error) for rule, error in _ERRORS.items()}


def rules(settings: StackSettings) -> list[dict[str, Any]]:
    """Return the rules in the order in which they are applied."""
    rate = CfnWebACL.RateBasedStatementProperty(limit=settings.waf_rate, aggregate_key_type="IP")
    own = {"Rate": CfnWebACL.StatementProperty(rate_based_statement=rate)}
    if settings.auth is Auth.KEYS:
        # As facedex/access/authorization.py reads signatures: from the header, or from the query of
        # a presigned URL.
        # Browsers load the console's files without a signature, also by a domain name of the
        # user's own, whose paths have no stage.
        places = (f"/{STAGE}{CONSOLE}", CONSOLE) if settings.console else ()
        pages = [_path(each) for each in places]
        own["Unsigned"] = _neither(
            _header("STARTS_WITH", "AWS4-"), _query("CONTAINS", "X-Amz-Algorithm="), *pages
        )
        own["ForeignKey"] = _neither(
            _header("CONTAINS", f"Credential={KEY_PREFIX}"),
            _query("CONTAINS", f"X-Amz-Credential={KEY_PREFIX}"),
            *pages,
        )
    return [
        *(
            {"name": name, "action": _refusal(name), "statement": statement}
            for name, statement in own.items()
        ),
        *(
            {
                "name": group,
                "override_action": CfnWebACL.OverrideActionProperty(none={}),
                "statement": _managed(group, counted_only),
            }
            for group, counted_only in _MANAGED.items()
        ),
    ]


def _refusal(rule: str) -> CfnWebACL.RuleActionProperty:
    error = _ERRORS[rule]
    response = CfnWebACL.CustomResponseProperty(
        response_code=int(error.status),
        custom_response_body_key=rule,
        response_headers=[
            CfnWebACL.CustomHTTPHeaderProperty(name="x-amzn-ErrorType", value=error.code)
        ],
    )
    return CfnWebACL.RuleActionProperty(
        block=CfnWebACL.BlockActionProperty(custom_response=response)
    )


def _managed(group: str, counted_only: tuple[str, ...]) -> CfnWebACL.StatementProperty:
    return CfnWebACL.StatementProperty(
        managed_rule_group_statement=CfnWebACL.ManagedRuleGroupStatementProperty(
            name=group,
            vendor_name="AWS",
            rule_action_overrides=[
                CfnWebACL.RuleActionOverrideProperty(
                    name=rule, action_to_use=CfnWebACL.RuleActionProperty(count={})
                )
                for rule in counted_only
            ]
            or None,
        )
    )


def _neither(*statements: CfnWebACL.StatementProperty) -> CfnWebACL.StatementProperty:
    return CfnWebACL.StatementProperty(
        and_statement=CfnWebACL.AndStatementProperty(
            statements=[
                CfnWebACL.StatementProperty(
                    not_statement=CfnWebACL.NotStatementProperty(statement=statement)
                )
                for statement in statements
            ]
        )
    )


def _header(where: str, text: str) -> CfnWebACL.StatementProperty:
    place = CfnWebACL.FieldToMatchProperty(single_header={"Name": "authorization"})
    return _matches(place, where, text, "NONE")


def _query(where: str, text: str) -> CfnWebACL.StatementProperty:
    place = CfnWebACL.FieldToMatchProperty(query_string={})
    return _matches(place, where, text, "URL_DECODE")


def _path(text: str) -> CfnWebACL.StatementProperty:
    place = CfnWebACL.FieldToMatchProperty(uri_path={})
    return _matches(place, "STARTS_WITH", text, "NONE")


def _matches(
    place: CfnWebACL.FieldToMatchProperty, where: str, text: str, transformation: str
) -> CfnWebACL.StatementProperty:
    return CfnWebACL.StatementProperty(
        byte_match_statement=CfnWebACL.ByteMatchStatementProperty(
            field_to_match=place,
            positional_constraint=where,
            search_string=text,
            text_transformations=[
                CfnWebACL.TextTransformationProperty(priority=0, type=transformation)
            ],
        )
    )
