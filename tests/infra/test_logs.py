"""CloudWatch log groups, and the contents of access logs."""

from __future__ import annotations

import json
from typing import Any

from tests.infra.synthesis import Synthesis, whole


def test_access_logs_hold_no_body_and_no_path_of_a_caller(synthesis: Synthesis) -> None:
    (stage,) = synthesis.resources("AWS::ApiGateway::Stage").values()
    logged = json.loads(stage["AccessLogSetting"]["Format"]).values()
    assert not {"$context.path", "$context.requestOverride.path"} & set(logged)
    assert not [each for each in logged if "input" in each or "body" in each]
    (every,) = stage["MethodSettings"]
    assert every["DataTraceEnabled"] is False
    assert every["LoggingLevel"] == "OFF"
    assert (every["ThrottlingRateLimit"], every["ThrottlingBurstLimit"]) == (100, 200)


def test_every_log_ends_with_the_stack_and_forgets(synthesis: Synthesis) -> None:
    groups = whole(synthesis, "AWS::Logs::LogGroup")
    assert len(groups) >= len(synthesis.functions) + 2
    for group in groups:
        assert group["DeletionPolicy"] == "Delete"
        assert group["Properties"]["RetentionInDays"] == 30
    for name in synthesis.function_names:
        assert "logs:CreateLogGroup" not in synthesis.allowed(name)


def test_the_proxy_logs_where_the_stack_says(synthesis_of: Any) -> None:
    found = synthesis_of("private")
    (proxy,) = found.resources("AWS::RDS::DBProxy")
    name = found.resources("AWS::RDS::DBProxy")[proxy]["DBProxyName"]
    groups = found.resources("AWS::Logs::LogGroup")
    (log,) = [each for each in groups if groups[each]["LogGroupName"] == f"/aws/rds/proxy/{name}"]
    assert log in found.template["Resources"][proxy]["DependsOn"]
