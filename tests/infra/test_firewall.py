"""The web application firewall: where it is, what it refuses, and what callers read then."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final
from urllib.parse import unquote_plus, urlsplit

import boto3
import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from facedex.access.signatures import verify
from facedex.api.errors import ServiceError
from facedex.store import access_keys
from tests.infra.gateway import Gateway
from tests.infra.synthesis import Properties, Synthesis

_KEY: Final = "FDX" + "A" * 17
_FOREIGN: Final = "AKIA" + "A" * 16


def _rules(found: Synthesis) -> list[dict[str, Any]]:
    (acl,) = found.resources("AWS::WAFv2::WebACL").values()
    rules: list[dict[str, Any]] = sorted(acl["Rules"], key=lambda rule: int(rule["Priority"]))
    return rules


def test_only_a_public_api_with_access_keys_has_a_firewall_by_default(synthesis_of: Any) -> None:
    with_firewall = {
        name
        for name in ("default", "keys", "private")
        if synthesis_of(name).resources("AWS::WAFv2::WebACL")
    }
    assert with_firewall == {"keys"}
    (association,) = synthesis_of("keys").resources("AWS::WAFv2::WebACLAssociation").values()
    assert ":/restapis/" in json.dumps(association["ResourceArn"])
    # By the setting, with IAM.
    assert [rule["Name"] for rule in _rules(synthesis_of("full"))] == [
        "Rate",
        "AWSManagedRulesAmazonIpReputationList",
        "AWSManagedRulesKnownBadInputsRuleSet",
    ]


def test_one_address_cannot_use_up_the_throttle_of_all_callers(synthesis_of: Any) -> None:
    found = synthesis_of("keys")
    (stage,) = found.resources("AWS::ApiGateway::Stage").values()
    (every,) = stage["MethodSettings"]
    rate = _rules(found)[0]["Statement"]["RateBasedStatement"]
    assert rate["AggregateKeyType"] == "IP"
    assert rate["Limit"] / 300 < every["ThrottlingRateLimit"]


def test_no_rule_of_the_firewall_looks_into_bodies(synthesis_of: Any) -> None:
    for name in ("keys", "full"):
        for rule in _rules(synthesis_of(name)):
            statement = rule["Statement"]
            assert "Body" not in re.findall(r'"(\w+)": \{\}', json.dumps(statement))
            group = statement.get("ManagedRuleGroupStatement")
            if group and group["Name"] == "AWSManagedRulesKnownBadInputsRuleSet":
                counted = {
                    each["Name"]
                    for each in group["RuleActionOverrides"]
                    if each["ActionToUse"] == {"Count": {}}
                }
                # All rules of the group's documentation that have a body as their subject.
                assert counted == {
                    "JavaDeserializationRCE_BODY",
                    "Log4JRCE_BODY",
                    "ReactJSRCE_BODY",
                }


def test_the_firewall_knows_the_products_keys() -> None:
    assert access_keys._FORM.fullmatch(_KEY)
    assert not access_keys._FORM.fullmatch(_FOREIGN)


def _signed(key: str) -> Properties:
    """Return the headers, the query and the body of a request that boto3 signs."""
    sent: list[Any] = []
    client = boto3.Session(key, "secret", region_name="eu-central-1").client(
        "rekognition", endpoint_url="https://example.com/"
    )

    def keep(request: Any, **_: Any) -> Any:
        sent.append(request)
        return AWSResponse(request.url, 200, HTTPHeaders(), None)

    client.meta.events.register("before-send", keep)
    with suppress(AttributeError):  # there is no body to read
        client.list_collections()
    headers = {
        name.lower(): value.decode() if isinstance(value, bytes) else value
        for name, value in sent[0].headers.items()
    }
    return {"headers": {"host": "example.com", **headers}, "query": "", "body": sent[0].body}


def _presigned(key: str) -> Properties:
    request = AWSRequest("GET", "https://example.com/live/v1/collections")
    SigV4QueryAuth(Credentials(key, "secret"), "rekognition", "eu-central-1").add_auth(request)
    return {"headers": {}, "query": urlsplit(request.url).query}


@pytest.mark.parametrize(
    ("request_of", "rule"),
    [
        (lambda: _signed(_KEY), None),
        (lambda: _presigned(_KEY), None),
        (lambda: _signed(_FOREIGN), "ForeignKey"),
        (lambda: _presigned(_FOREIGN), "ForeignKey"),
        (lambda: {"headers": {}, "query": ""}, "Unsigned"),
        (lambda: {"headers": {"authorization": "Bearer token"}, "query": "a=b"}, "Unsigned"),
        (
            lambda: {"headers": {"authorization": "AWS4-HMAC-SHA256 Signature=0"}, "query": ""},
            "ForeignKey",
        ),
        (lambda: {"headers": {}, "query": "", "path": "/live/console/index.html"}, None),
        (lambda: {"headers": {}, "query": "", "path": "/console/index.html"}, None),
        (lambda: {"headers": {}, "query": "", "path": "/live/v1/collections/console"}, "Unsigned"),
    ],
    ids=[
        "key",
        "key-url",
        "foreign",
        "foreign-url",
        "nothing",
        "bearer",
        "no-credential",
        "console",
        "console-by-own-domain",
        "collection-console",
    ],
)
def test_requests_without_a_key_of_the_product_end_at_the_firewall(
    request_of: Any, rule: str | None, synthesis_of: Any
) -> None:
    request = request_of()
    matching = [
        each["Name"]
        for each in _rules(synthesis_of("keys"))
        if _matches(each["Statement"], request)
    ]
    assert matching[:1] == ([rule] if rule else [])


def _matches(statement: Mapping[str, Any], request: Properties) -> bool:
    """Evaluate a statement as AWS documents it; rates and AWS's own rules match nothing here."""
    ((kind, content),) = statement.items()
    match kind:
        case "AndStatement":
            return all(_matches(each, request) for each in content["Statements"])
        case "NotStatement":
            return not _matches(content["Statement"], request)
        case "ByteMatchStatement":
            if "UriPath" in content["FieldToMatch"]:
                text = request.get("path", "/live/")
            elif "SingleHeader" in content["FieldToMatch"]:
                text = request["headers"].get("authorization")
            else:
                text = request["query"]
            if text is None:
                return False
            for transformation in content["TextTransformations"]:
                if transformation["Type"] == "URL_DECODE":
                    text = unquote_plus(text)
            starts = content["PositionalConstraint"] == "STARTS_WITH"
            found: int = text.find(content["SearchString"])
            return found == 0 if starts else found >= 0
        case "RateBasedStatement" | "ManagedRuleGroupStatement":
            return False
    raise AssertionError(kind)


def _blocking(found: Synthesis) -> Iterator[tuple[str, Properties, str]]:
    """Yield the name, the response and the body of each rule that refuses requests itself."""
    (acl,) = found.resources("AWS::WAFv2::WebACL").values()
    for rule in acl["Rules"]:
        if "Action" in rule:
            response = rule["Action"]["Block"]["CustomResponse"]
            body = acl["CustomResponseBodies"][response["CustomResponseBodyKey"]]
            assert body["ContentType"] == "APPLICATION_JSON"
            yield rule["Name"], response, body["Content"]


_CODES: Final = {
    "Rate": "ThrottlingException",
    "Unsigned": "MissingAuthenticationTokenException",
    "ForeignKey": "UnrecognizedClientException",
}


def test_boto3_reads_the_firewalls_responses_and_retries_what_may_succeed_later(
    synthesis_of: Any, gateways: list[Gateway]
) -> None:
    read = {}
    for name, response, body in _blocking(synthesis_of("keys")):
        headers = {each["Name"]: each["Value"] for each in response["ResponseHeaders"]}
        assert headers == {"x-amzn-ErrorType": _CODES[name]}
        parsed = json.loads(body)
        assert parsed.keys() == {"__type", "Code", "Logref", "Message"}
        # The name by which the firewall's log has the request, in terminatingRuleId.
        assert parsed["Logref"] == name
        gateway = Gateway(response["ResponseCode"], headers, body)
        gateways.append(gateway)
        with pytest.raises(ClientError) as raised:
            gateway.client("standard", attempts=2).list_collections()
        read[name] = raised.value.response["Error"]["Code"]
        assert gateway.requests == (2 if name == "Rate" else 1)
    assert read == _CODES


def test_the_firewall_answers_strangers_as_the_functions_do(synthesis_of: Any) -> None:
    bodies = {name: json.loads(body) for name, _, body in _blocking(synthesis_of("keys"))}
    unsigned: Properties = {"headers": {}, "query": "", "body": b""}
    for name, request in {"Unsigned": unsigned, "ForeignKey": _signed(_FOREIGN)}.items():
        event = {"httpMethod": "POST", "path": "/", "headers": request["headers"]}
        with pytest.raises(ServiceError) as raised:
            verify(event, request["body"], lambda _: None)
        assert bodies[name]["Code"] == raised.value.code
        assert bodies[name]["Message"] == raised.value.message


def test_firewall_logs_contain_no_signature_and_no_name(synthesis_of: Any) -> None:
    (logging,) = synthesis_of("full").resources("AWS::WAFv2::LoggingConfiguration").values()
    fields = logging["RedactedFields"]
    headers = {each["SingleHeader"]["Name"] for each in fields if "SingleHeader" in each}
    assert headers == {"authorization", "x-amz-security-token"}
    assert {"UriPath": {}} in fields
    assert {"QueryString": {}} in fields
