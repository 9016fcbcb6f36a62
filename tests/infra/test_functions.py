"""The functions of the catalog, and the routes and queues that call them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from facedex.api.catalog import OPERATIONS, OTHER_FUNCTIONS, Trigger
from tests.infra.synthesis import Synthesis, listed, synthesise

VIDEO = {row.function for row in OPERATIONS.values() if row.path.startswith("/v1/video/")}
PAGES = {("GET", "/console"), ("GET", "/console/{proxy+}")}
STREAMS = {row.function for row in OPERATIONS.values() if "/stream-processors" in row.path}


def test_every_row_of_the_catalog_is_a_function_on_its_route(synthesis_of: Any) -> None:
    found = synthesis_of("full")
    operators = {
        row.function for row in OTHER_FUNCTIONS.values() if row.trigger is Trigger.OPERATOR
    }
    expected = {row.function for row in OPERATIONS.values()} | set(OTHER_FUNCTIONS)
    assert found.function_names == expected - operators
    routes = {route: called for route, (called, _) in _routes(found).items()}
    assert routes == {
        ("POST", "/"): "front_door",
        **dict.fromkeys(PAGES, "console"),
        **{(row.method, row.path): row.function for row in OPERATIONS.values()},
    }


def test_a_deployment_has_only_the_functions_that_its_settings_ask_for(synthesis_of: Any) -> None:
    everything = {row.function for row in OPERATIONS.values()} | set(OTHER_FUNCTIONS)
    video = VIDEO | {"search_video_segment"}
    streams = STREAMS | {"run_stream_processor"}
    bulk = {"index_bulk", "report_bulk"}
    assert len(streams) == 8
    assert synthesis_of("default").function_names == everything - video - streams - bulk - {
        "access_keys",
        "console",
    }
    assert synthesis_of("keys").function_names == everything - video - bulk
    assert synthesis_of("private").function_names == (
        everything - video - streams - bulk - {"access_keys", "index_upload"}
    )


def test_functions_match_the_catalog(synthesis: Synthesis) -> None:
    rows = {row.function: row for row in OPERATIONS.values()} | dict(OTHER_FUNCTIONS)
    for name in synthesis.function_names:
        function, row = synthesis.function(name), rows[name]
        assert function["Timeout"] == row.timeout
        assert function["Handler"] == f"facedex_functions.{name}.handler.lambda_handler"
        assert 1 <= len(function["Layers"]) <= 5
        assert function["Environment"]["Variables"]["FACEDEX_MODELS"] == "/opt/models"


@pytest.mark.parametrize(
    ("name", "given", "memory"),
    [("default", "512", 1769), ("private", None, None), ("keys", "3000", 3745)],
)
def test_functions_that_search_have_memory_for_copies(
    synthesis_of: Any, name: str, given: str | None, memory: int | None
) -> None:
    """They have a whole processor, and more memory if the copies need it."""
    rows = {row.function: row for row in OPERATIONS.values()} | dict(OTHER_FUNCTIONS)
    searching = {"search_faces", "search_faces_by_image", "search_users", "search_users_by_image"}
    searching |= {"front_door", "search_video_segment", "run_stream_processor"}
    found = synthesis_of(name)
    for each in found.function_names:
        function, row = found.function(each), rows[each]
        variables = function["Environment"]["Variables"]
        with_copies = given is not None and each in searching
        assert variables.get("FACEDEX_GALLERY_MEMORY") == (given if with_copies else None), each
        assert function["MemorySize"] == (memory if with_copies else row.memory)
        assert int(variables["FACEDEX_THREADS"]) == max(1, function["MemorySize"] // 1769)


def test_functions_are_traced_unless_the_setting_says_otherwise(synthesis_of: Any) -> None:
    for name, traced in {"default": True, "private": False}.items():
        found = synthesis_of(name)
        modes = {
            each.get("TracingConfig", {"Mode": "None"})["Mode"] for each in found.functions.values()
        }
        assert modes == {"Active" if traced else "None"}
        # Its traces would have the addresses of requests, and so the names in them.
        (stage,) = found.resources("AWS::ApiGateway::Stage").values()
        assert stage["TracingEnabled"] is False


def test_functions_write_all_metrics_only_with_the_setting(synthesis_of: Any) -> None:
    for name, written in {"default": "false", "full": "true"}.items():
        for function in synthesis_of(name).functions.values():
            assert function["Environment"]["Variables"]["FACEDEX_METRICS"] == written


def test_routes_and_functions_use_the_same_authentication_mode(synthesis_of: Any) -> None:
    for name, kind in {"default": "AWS_IAM", "keys": "NONE", "private": "NONE"}.items():
        found = synthesis_of(name)
        routes = _routes(found)
        assert {how for route, (_, how) in routes.items() if route not in PAGES} == {kind}
        (told,) = {
            each["Environment"]["Variables"]["FACEDEX_AUTH"] for each in found.functions.values()
        }
        assert told == {"AWS_IAM": "iam", "NONE": name if name == "keys" else "none"}[kind]


def test_the_consoles_files_need_no_signature_and_their_function_reaches_nothing(
    synthesis_of: Any,
) -> None:
    for name in ("full", "keys", "private"):
        found = synthesis_of(name)
        routes = _routes(found)
        assert {routes[page] for page in PAGES} == {("console", "NONE")}
        assert "VpcConfig" not in found.function("console")
        actions = {each for each in found.allowed("console") if not each.startswith("kms:")}
        assert {each.partition(":")[0] for each in actions} <= {"logs", "xray"}
        shown = json.loads(found.function("console")["Environment"]["Variables"]["FACEDEX_CONSOLE"])
        assert shown["stack"] == f"facedex-{name}"
        assert shown["video"] is (name == "full")
        assert "Console" in found.template["Outputs"]
    assert "Console" not in synthesis_of("default").template["Outputs"]


@pytest.mark.usefixtures("cdk")
def test_a_private_api_shows_its_console_to_browsers_behind_its_endpoints(tmp_path: Path) -> None:
    """Browsers do not sign the load of a page, so the policy must name these routes."""
    chosen = {"endpoint": "private", "vpc_endpoints": "vpce-0a1b2c3d", "console": "true"}
    (api,) = synthesise(chosen, tmp_path).resources("AWS::ApiGateway::RestApi").values()
    signed, pages, refused = api["Policy"]["Statement"]
    assert ":root" in json.dumps(signed["Principal"])
    assert pages["Principal"] == {"AWS": "*"}
    assert pages["Resource"] == ["execute-api:/*/GET/console", "execute-api:/*/GET/console/*"]
    assert (refused["Effect"], refused["Principal"]) == ("Deny", {"AWS": "*"})


def test_new_code_waits_for_its_schema(synthesis: Synthesis) -> None:
    (schema,) = synthesis.resources("Custom::FacedexSchema")
    resources = synthesis.template["Resources"]
    for name, function in synthesis.functions.items():
        waits = "VpcConfig" in function and not function["FunctionName"].endswith("-migrate")
        assert (schema in resources[name]["DependsOn"]) is waits, name
    assert resources[schema]["Properties"]["ServiceTimeout"] == "960"


def test_another_database_is_migrated(synthesis: Synthesis) -> None:
    (schema,) = synthesis.resources("Custom::FacedexSchema").values()
    variables = synthesis.function("migrate")["Environment"]["Variables"]
    assert schema["Database"] == variables["FACEDEX_DATABASE_URL"]


def test_uploads_go_through_a_queue_that_poison_cannot_block(default: Synthesis) -> None:
    (bucket,) = default.resources("AWS::S3::Bucket").values()
    events = bucket["NotificationConfiguration"]["QueueConfigurations"]
    assert [each["Event"] for each in events] == ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]
    (source,) = default.resources("AWS::Lambda::EventSourceMapping").values()
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    queue = default.template["Resources"][source["EventSourceArn"]["Fn::GetAtt"][0]]["Properties"]
    # One message at a time, so that a crash affects no other; concurrency as in the setting.
    assert source["BatchSize"] == 1
    assert source["ScalingConfig"] == {"MaximumConcurrency": 10}
    assert queue["RedrivePolicy"]["maxReceiveCount"] == 5
    assert queue["VisibilityTimeout"] == 6 * default.function("index_upload")["Timeout"]
    assert {"sqs:SendMessage", "s3:PutObjectTagging"} <= default.allowed("index_upload")


def test_functions_wait_for_a_database_that_wakes_up(synthesis: Synthesis) -> None:
    """Aurora takes about fifteen seconds; API Gateway gives up after 29."""
    operations = {row.function for row in OPERATIONS.values()} | {"front_door"}
    for name in synthesis.function_names:
        function = synthesis.function(name)
        patience = int(function["Environment"]["Variables"]["FACEDEX_DATABASE_PATIENCE"])
        assert 15 < patience < function["Timeout"], name
        assert patience < 29 or name not in operations


def test_a_message_that_waits_for_the_database_returns_to_its_queue(
    default: Synthesis,
) -> None:
    variables = default.function("index_upload")["Environment"]["Variables"]
    (source,) = default.resources("AWS::Lambda::EventSourceMapping").values()
    queue = source["EventSourceArn"]["Fn::GetAtt"][0]
    assert variables["FACEDEX_UPLOADS_QUEUE"] == {"Ref": queue}
    assert variables.get("FACEDEX_LOG_NAMES", "false") == "false"
    sending = [
        each["Resource"]
        for each in default.statements_of("index_upload")
        if "sqs:SendMessage" in listed(each["Action"])
    ]
    assert {"Fn::GetAtt": [queue, "Arn"]} in sending


def test_only_intended_functions_may_send_messages_to_themselves(synthesis_of: Any) -> None:
    """Lambda's loop detection stops a function that sends messages to itself after 16 times."""
    found = synthesis_of("full")
    allowed = {
        name
        for name in found.function_names
        if found.function(name).get("RecursiveLoop", "Terminate") == "Allow"
    }
    assert allowed == {"index_upload", "run_stream_processor"}


def test_a_change_of_a_layer_publishes_new_versions_of_the_functions_that_have_it(
    cdk: None, tmp_path: Path
) -> None:
    """API Gateway calls published versions, each with the layers of its time."""
    versions = {}
    for attributes in (True, False):  # which are in the layer of the model packs
        folder = tmp_path / str(attributes)
        found = synthesise({"snapstart": True, "attributes": attributes}, folder)
        versions[attributes] = _versions(found)
    changed = {name for name, each in versions[True].items() if each != versions[False][name]}
    assert {"front_door", "detect_faces", "index_faces"} <= changed
    assert "list_collections" not in changed


def test_functions_know_that_a_proxy_shares_connections(synthesis_of: Any) -> None:
    for name, shared in (("private", "true"), ("default", "false")):
        variables = synthesis_of(name).function("list_faces")["Environment"]["Variables"]
        assert variables["FACEDEX_DATABASE_POOLED"] == shared


def test_outputs_say_how_to_call(default: Synthesis) -> None:
    outputs = default.template["Outputs"]
    assert {"Endpoint", "UploadsBucket", "HowToCall", "CallersMay", "DashboardLink"} <= set(outputs)
    assert "execute-api" in outputs["HowToCall"]["Value"]


def _versions(found: Synthesis) -> dict[str, str]:
    """Return the logical ids of the functions' published versions by the functions' names."""
    functions = found.functions
    return {
        str(functions[each["FunctionName"]["Ref"]]["FunctionName"]).rsplit("-", 1)[-1]: name
        for name, each in found.resources("AWS::Lambda::Version").items()
    }


def _routes(found: Synthesis) -> dict[tuple[str, str], tuple[str, str]]:
    """Return the name of the function that a route calls, and the route's authorization type."""
    resources = found.template["Resources"]
    aliases = found.resources("AWS::Lambda::Alias")

    def path(reference: Any) -> str:
        if "Fn::GetAtt" in reference:
            return ""
        properties = resources[reference["Ref"]]["Properties"]
        return f"{path(properties['ParentId'])}/{properties['PathPart']}"

    def function(text: str) -> str:
        (called,) = {name for name in (*found.functions, *aliases) if f'"{name}"' in text}
        if called in aliases:
            called = aliases[called]["FunctionName"]["Ref"]
        return str(found.functions[called]["FunctionName"]).rsplit("-", 1)[-1]

    return {
        (method["HttpMethod"], path(method["ResourceId"]) or "/"): (
            function(json.dumps(method["Integration"]["Uri"])),
            method["AuthorizationType"],
        )
        for method in found.resources("AWS::ApiGateway::Method").values()
    }


def test_functions_write_the_audit_log_that_the_setting_names(synthesis_of: Any) -> None:
    for name, chosen in (("default", ("changes", "365")), ("hardened", ("all", "400"))):
        found = synthesis_of(name)
        for function in ("front_door", "delete_faces", "index_upload", "sweep"):
            variables = found.function(function)["Environment"]["Variables"]
            assert (variables["FACEDEX_AUDIT"], variables["FACEDEX_AUDIT_DAYS"]) == chosen
