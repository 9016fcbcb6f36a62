"""The report of a bulk execution: a line for each photo, and a summary.

The state machine invokes the function as its last step, and EventBridge when an execution ends in
another way. The results of the photos are in S3, where Step Functions writes them. Beside them the
function writes ``report.csv``, with the columns of ``facedex import --report`` that apply, and
``summary.json``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, Final

from facedex.aws import map_results
from facedex.aws.objects import client
from facedex.runtime.logs import get_logger
from facedex_functions.report_bulk.tally import Tally

_logger = get_logger(__name__)

_SUCCEEDED: Final = "SUCCEEDED"
# Seconds that Step Functions may need to write the results after an execution has failed. One whose
# input was refused has none.
_PATIENCE: Final = 20.0
_STEP: Final = 2.0


def lambda_handler(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """Write the report of an execution.

    Args:
        event: ``Execution``, as EventBridge describes it when its status changes; ``Bucket`` and
            ``Prefix`` of the reports.

    Returns:
        The summary.
    """
    ended, bucket = event["Execution"], event["Bucket"]
    name = ended["executionArn"].split(":")[-1]
    folder = "/".join(part for part in (event["Prefix"], name) if part)
    manifest = _wait_for_manifest(bucket, folder, ended)
    tally = Tally()
    summary: dict[str, Any] = {
        "Execution": ended["executionArn"],
        "Status": ended["status"],
        "Input": _object(ended.get("input")),
        **{name: ended[name.lower()] for name in ("Error", "Cause") if ended.get(name.lower())},
    }
    if manifest:
        report = f"{folder}/report.csv"
        results = map_results.read_results(bucket, manifest)
        map_results.upload_text(bucket, report, tally.write(results))
        summary["Report"] = f"s3://{bucket}/{report}"
    summary |= tally.summary()
    client().put_object(
        Bucket=bucket,
        Key=f"{folder}/summary.json",
        Body=json.dumps(summary, indent=2, ensure_ascii=False).encode(),
        ContentType="application/json",
    )
    _logger.info("A bulk execution ended, %s: %d photos", ended["status"], tally.photos)
    return summary


def _wait_for_manifest(bucket: str, folder: str, ended: Mapping[str, Any]) -> str | None:
    """Return the key of the results' manifest, or None if the execution has no results."""
    deadline = time.monotonic() + (0 if ended["status"] == _SUCCEEDED else _PATIENCE)
    # A redriven execution has the manifest of its first failure until the next one is written.
    redriven = (ended.get("redriveDate") or 0) / 1000
    while True:
        manifest = map_results.find_manifest(bucket, folder, redriven)
        if manifest:
            return manifest
        if time.monotonic() >= deadline:
            return map_results.find_manifest(bucket, folder)
        time.sleep(_STEP)


def _object(given: Any) -> Any:
    """Return an input that EventBridge passes as text."""
    try:
        return json.loads(given) if isinstance(given, str) else given
    except ValueError:
        return given
