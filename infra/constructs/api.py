"""The API: the catalog's routes to their functions, and ``POST /`` to the front door."""

from __future__ import annotations

import json
from typing import Final

from aws_cdk import RemovalPolicy, Size
from aws_cdk.aws_apigateway import (
    AccessLogFormat,
    AuthorizationType,
    CfnRestApi,
    EndpointConfiguration,
    EndpointType,
    LambdaIntegration,
    LogGroupLogDestination,
    MethodLoggingLevel,
    MethodOptions,
    RestApi,
    StageOptions,
)
from aws_cdk.aws_ec2 import IInterfaceVpcEndpoint, InterfaceVpcEndpoint
from aws_cdk.aws_iam import (
    AccountRootPrincipal,
    AnyPrincipal,
    Effect,
    PolicyDocument,
    PolicyStatement,
)
from constructs import Construct

from facedex.api.catalog import OPERATIONS, OTHER_FUNCTIONS, Trigger
from infra.constructs.functions import Functions
from infra.constructs.logs import log_group
from infra.constructs.network import HTTPS
from infra.constructs.responses import add_responses
from infra.constructs.review import accept
from infra.settings import StackSettings
from infra.values import Auth, Reach

STAGE: Final = "live"
CONSOLE: Final = "/console"
# As facedex.api.rest takes photos; any other body travels as text.
_BINARY: Final = ("image/jpeg", "image/png", "application/octet-stream")
# TLS 1.2 and 1.3 alone.
_TLS: Final = "SecurityPolicy_TLS13_1_2_PQ_2025_09"
# The caller, the route, the time and the status. No body, query, header or path: paths name
# collections and faces.
_LOGGED: Final = {
    "requestId": "$context.requestId",
    "time": "$context.requestTime",
    "ip": "$context.identity.sourceIp",
    "caller": "$context.identity.userArn",
    "userAgent": "$context.identity.userAgent",
    "method": "$context.httpMethod",
    "route": "$context.resourcePath",
    "status": "$context.status",
    "bytes": "$context.responseLength",
    "milliseconds": "$context.responseLatency",
    "functionMilliseconds": "$context.integrationLatency",
    "error": "$context.error.responseType",
    "tls": "$context.tlsVersion",
}


class Api(Construct):
    """The REST API and its one stage.

    Attributes:
        rest: the API.
        log: its access log, one JSON object for each request.
    """

    def __init__(
        self, scope: Construct, name: str, settings: StackSettings, functions: Functions
    ) -> None:
        super().__init__(scope, name)
        by_iam = settings.auth is Auth.IAM
        self.log = log_group(self, "AccessLog", f"/aws/apigateway/{settings.stack}", settings)
        self.rest = RestApi(
            self,
            "Rest",
            rest_api_name=settings.stack,
            description="Amazon Rekognition's face collections, your own",
            endpoint_configuration=self._endpoint(settings),
            policy=_endpoint_policy(settings) if settings.vpc_endpoints else None,
            binary_media_types=list(_BINARY),
            # The console's scripts are large, and compress to a third.
            min_compression_size=Size.kibibytes(16) if settings.console else None,
            default_method_options=MethodOptions(
                authorization_type=AuthorizationType.IAM if by_iam else AuthorizationType.NONE
            ),
            cloud_watch_role=settings.gateway_log_role,
            # The account has one role for all its APIs in a region, so it outlives any one of them.
            cloud_watch_role_removal_policy=(
                RemovalPolicy.RETAIN if settings.gateway_log_role else None
            ),
            deploy_options=StageOptions(
                stage_name=STAGE,
                access_log_destination=LogGroupLogDestination(self.log),
                access_log_format=AccessLogFormat.custom(json.dumps(_LOGGED)),
                # Execution logs would hold requests, and would remain after the stack is deleted.
                logging_level=MethodLoggingLevel.OFF,
                data_trace_enabled=False,
                metrics_enabled=True,
                # X-Ray would keep the whole address of a request for 30 days: the names of
                # collections, users and faces in REST routes, and signatures of presigned URLs.
                # https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-understanding-xray-traces.html
                tracing_enabled=False,
                throttling_rate_limit=settings.rate,
                throttling_burst_limit=settings.burst,
            ),
        )
        resource = self.rest.node.default_child
        assert isinstance(resource, CfnRestApi)
        resource.add_property_override("SecurityPolicy", _TLS)
        resource.add_property_override("EndpointAccessMode", "BASIC")
        self._add_routes(functions)
        add_responses(self.rest)
        self._accept(settings)

    @property
    def console_url(self) -> str:
        """The address of the console, where a deployment has it."""
        return self.rest.url_for_path(CONSOLE)

    @property
    def url(self) -> str:
        """The address of the front door, the value for ``AWS_ENDPOINT_URL_REKOGNITION``."""
        return self.rest.url

    def _endpoint(self, settings: StackSettings) -> EndpointConfiguration:
        if settings.endpoint is Reach.REGIONAL:
            return EndpointConfiguration(types=[EndpointType.REGIONAL])
        doors: list[IInterfaceVpcEndpoint] = [
            InterfaceVpcEndpoint.from_interface_vpc_endpoint_attributes(
                self, identifier, vpc_endpoint_id=identifier, port=HTTPS
            )
            for identifier in settings.vpc_endpoints
        ]
        return EndpointConfiguration(types=[EndpointType.PRIVATE], vpc_endpoints=doors)

    def _add_routes(self, functions: Functions) -> None:
        for worker in OTHER_FUNCTIONS.values():
            if worker.trigger is Trigger.GATEWAY:
                self._route(functions, "POST", "/", worker.function)
            if worker.trigger is Trigger.PAGES and worker.function in functions.by_name:
                for path in (CONSOLE, f"{CONSOLE}/{{proxy+}}"):
                    self._page(functions, path, worker.function)
        for row in OPERATIONS.values():
            if row.function in functions.by_name:
                self._route(functions, row.method, row.path, row.function)

    def _route(self, functions: Functions, method: str, path: str, function: str) -> None:
        # Without a test invocation from the console, the one permission is for the one stage.
        called = LambdaIntegration(functions.entry(function), allow_test_invoke=False)
        self.rest.root.resource_for_path(path).add_method(method, called)

    def _page(self, functions: Functions, path: str, function: str) -> None:
        """Add a route that needs no signature: a browser cannot sign the load of a page."""
        called = LambdaIntegration(functions.entry(function), allow_test_invoke=False)
        method = self.rest.root.resource_for_path(path).add_method(
            "GET", called, authorization_type=AuthorizationType.NONE
        )
        accept(
            method,
            {
                "AwsSolutions-APIG4": "The console's files are those of the published package, and"
                " hold no data; its requests to the API are signed."
            },
        )

    def _accept(self, settings: StackSettings) -> None:
        findings = {
            "AwsSolutions-APIG2": "The functions check every request against AWS's own service"
            " model, more strictly than API Gateway could.",
            "AwsSolutions-APIG6": "Execution logs hold requests, which hold pictures of faces;"
            " access logs are on.",
            "AwsSolutions-COG4": "Callers are IAM principals or have access keys, not users of"
            " Cognito.",
            "AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/"
            "AmazonAPIGatewayPushToCloudWatchLogs]": "AWS's own policy for the account's role with"
            " which API Gateway writes logs.",
        }
        if settings.auth is Auth.KEYS:
            findings["AwsSolutions-APIG4"] = (
                "The functions verify each request's signature with the product's access keys."
            )
        if settings.auth is Auth.NONE:
            findings["AwsSolutions-APIG4"] = (
                "The setting auth=none lets everyone call who can reach the private endpoint."
            )
        if not settings.firewall:
            findings["AwsSolutions-APIG3"] = (
                "Unsigned requests end at API Gateway or at the first check; a firewall is there"
                " by the setting waf."
            )
        accept(self, findings)


def _endpoint_policy(settings: StackSettings) -> PolicyDocument:
    """Return a private API's policy: callers through the setting's endpoints, and no others."""
    every = "execute-api:/*"
    # With IAM, a principal of "*" here would admit callers whose own policies do not allow it;
    # naming the account leaves the decision to those policies.
    callers = AccountRootPrincipal() if settings.auth is Auth.IAM else AnyPrincipal()
    pages = [f"execute-api:/*/GET{CONSOLE}", f"execute-api:/*/GET{CONSOLE}/*"]
    unsigned = [
        PolicyStatement(
            principals=[AnyPrincipal()], actions=["execute-api:Invoke"], resources=pages
        )
    ]
    return PolicyDocument(
        statements=[
            PolicyStatement(
                principals=[callers], actions=["execute-api:Invoke"], resources=[every]
            ),
            *(unsigned if settings.console else ()),
            PolicyStatement(
                effect=Effect.DENY,
                principals=[AnyPrincipal()],
                actions=["execute-api:Invoke"],
                resources=[every],
                conditions={"StringNotEquals": {"aws:SourceVpce": list(settings.vpc_endpoints)}},
            ),
        ]
    )
