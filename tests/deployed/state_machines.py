"""What MiniStack 1.5.33 lacks of Step Functions' Distributed Map; imported by ``launcher.py``.

Behaviour of AWS: https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html
"""

from __future__ import annotations

import contextvars
import json
import re
import threading
from collections.abc import Mapping
from typing import Any

from ministack.services import lambda_svc, s3, stepfunctions

Properties = Mapping[str, Any]

_FIELDS = ("MaxConcurrency", "ToleratedFailurePercentage", "ToleratedFailureCount")
_NEVER_STARTED = "never started"
# The outputs of the items that succeeded, by execution and by the item's input: a redriven
# execution does not repeat them.
_succeeded: dict[str, dict[str, Any]] = {}


def add_map_paths_and_results() -> None:
    """Read a map's limits from its input, and write the results of its items to S3."""
    run_map = stepfunctions._run_distributed_map

    def run(
        state: Properties, given: Any, effective: Any, iterator: Any, execution: Any, context: Any
    ) -> Any:
        known = set(stepfunctions._map_runs)
        resolved = dict(state)
        for field in _FIELDS:
            if path := state.get(f"{field}Path"):
                resolved[field] = stepfunctions._resolve_path_or_ctx(path, effective, context)
        try:
            output, following = run_map(resolved, given, effective, iterator, execution, context)
        finally:
            # Of one execution; others write their own.
            written: dict[str, Any] | None = None
            for each, started in list(stepfunctions._map_runs.items()):
                if each not in known and started["executionArn"] == execution["executionArn"]:
                    written = _write_results(state, each, effective, context)
        return written or output, following

    stepfunctions._run_distributed_map = run


def add_ends_and_redrives() -> None:
    """Start no items of an execution that was stopped, and redrive an execution that failed."""
    run_states, handle_request = stepfunctions._run_sub_machine, stepfunctions.handle_request
    fail_execution = stepfunctions._fail_execution

    def run(states: Any, first: str, given: Any, child: Any, context: Any) -> Any:
        map_run = stepfunctions._map_runs.get(child.get("mapRunArn"))
        if map_run is None:
            return run_states(states, first, given, child, context)
        parent = stepfunctions._executions[map_run["executionArn"]]
        outputs = _succeeded.setdefault(parent["executionArn"], {})
        key = json.dumps(given, sort_keys=True)
        if key not in outputs:
            if parent["status"] != "RUNNING":
                raise stepfunctions._ExecutionError(_NEVER_STARTED, "")
            outputs[key] = run_states(states, first, given, child, context)
        return outputs[key]

    async def handle(method: str, path: str, headers: Any, body: Any, query: Any) -> Any:
        if headers.get("x-amz-target", "").endswith(".RedriveExecution"):
            return _redrive(json.loads(body)["executionArn"])
        return await handle_request(method, path, headers, body, query)

    def fail(execution: Any, error: str, cause: str) -> None:
        # One that was stopped has ended already.
        if execution["status"] == "RUNNING":
            fail_execution(execution, error, cause)

    stepfunctions._fail_execution = fail
    stepfunctions._run_sub_machine = run
    stepfunctions.handle_request = handle


def add_error_names() -> None:
    """Name a function's error by its class, as Lambda does and as states retry it."""
    execute = lambda_svc._execute_function_with_config_scope

    def run(*arguments: Any, **named: Any) -> Any:
        result = execute(*arguments, **named)
        body = result.get("body")
        if result.get("error") and body.get("errorType") == "Runtime.HandlerError":
            message = re.escape(body["errorMessage"].partition("\n")[0])
            names = re.findall(rf"^(?:\w+\.)*(\w+): {message}", result.get("log", ""), re.MULTILINE)
            body["errorType"] = names[-1] if names else body["errorType"]
        return result

    lambda_svc._execute_function_with_config_scope = run


def _redrive(arn: str) -> Any:
    execution = stepfunctions._executions[arn]
    execution |= {"status": "RUNNING", "stopDate": None, "error": None, "cause": None}
    run = contextvars.copy_context().run
    threading.Thread(target=run, args=(stepfunctions._run_execution, arn), daemon=True).start()
    return stepfunctions.json_response({"redriveDate": stepfunctions.now_iso()})


def _write_results(
    state: Properties, arn: str, effective: Any, context: Any
) -> dict[str, Any] | None:
    """Write a file for each status, and the manifest; return the output of the map."""
    writer = state.get("ResultWriter")
    if not writer:
        return None
    assert writer["WriterConfig"] == {"OutputType": "JSONL", "Transformation": "NONE"}
    place = stepfunctions._resolve_params_obj(writer["Parameters"], effective, context)
    folder = f"{place['Prefix']}/{arn.rsplit(':', 1)[-1]}"
    lines: dict[str, list[str]] = {"FAILED": [], "PENDING": [], "SUCCEEDED": []}
    for child in list(stepfunctions._executions.values()):
        if child.get("mapRunArn") == arn:
            kind = "PENDING" if child.get("error") == _NEVER_STARTED else child["status"]
            lines[kind].append(json.dumps(_describe(child, kind)))
    files: dict[str, list[dict[str, Any]]] = {}
    for kind, found in lines.items():
        key, content = f"{folder}/{kind}_0.jsonl", "".join(f"{each}\n" for each in found).encode()
        files[kind] = [{"Key": key, "Size": len(content)}] if found else []
        if found:
            s3._put_object(place["Bucket"], key, content, {})
    manifest = {"DestinationBucket": place["Bucket"], "MapRunArn": arn, "ResultFiles": files}
    key = f"{folder}/manifest.json"
    s3._put_object(place["Bucket"], key, json.dumps(manifest).encode(), {})
    return {
        "MapRunArn": arn,
        "ResultWriterDetails": {"Bucket": place["Bucket"], "Key": key},
    }


def _describe(child: Properties, kind: str) -> dict[str, Any]:
    described = {
        "ExecutionArn": child["executionArn"],
        "Input": child["input"],
        "InputDetails": {"Included": True},
        "Name": child["name"],
        "StateMachineArn": child["stateMachineArn"],
        "Status": kind,
    }
    if kind == "SUCCEEDED":
        described |= {"Output": child["output"], "OutputDetails": {"Included": True}}
    if kind == "FAILED":
        described |= {"Error": child["error"], "Cause": child["cause"]}
    return described
