"""The state machine that indexes a bucket, in Amazon States Language.

An execution checks its input, indexes each object in a workflow of its own, and writes a report.
The workflows are of the type Express: one for each photo costs a tenth of the photo's indexing, and
a photo that crashes its function affects no other. They last at most five minutes, so the
repetitions below end before that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

# Name of the map in the ARN of the state machine that its workflows run as.
LABEL: Final = "Photos"
_INVOKE: Final = "arn:aws:states:::lambda:invoke"

# Errors that pass: the database pauses or fails over, S3 or Lambda is busy. With the 45 seconds
# that the function waits for the database each time, five attempts take four and a half minutes.
_TEMPORARY: Final[Mapping[str, Any]] = {
    "ErrorEquals": [
        "InternalServerError",
        "ThrottlingException",
        "Lambda.ClientExecutionTimeoutException",
        "Lambda.SdkClientException",
        "Lambda.ServiceException",
        "Lambda.AWSLambdaException",
        "Lambda.TooManyRequestsException",
    ],
    "IntervalSeconds": 3,
    "BackoffRate": 2,
    "MaxAttempts": 4,
    "JitterStrategy": "FULL",
}
# No repetition helps where the input is wrong or the collection is gone.
_PERMANENT: Final[Mapping[str, Any]] = {
    "ErrorEquals": [
        "InvalidParameterException",
        "ResourceNotFoundException",
        "ValidationException",
        "SerializationException",
    ],
    "MaxAttempts": 0,
}
# The function crashed or exceeded its timeout, which a new copy may not.
_CRASH: Final[Mapping[str, Any]] = {"ErrorEquals": ["States.TaskFailed"], "MaxAttempts": 1}


@dataclass(frozen=True, slots=True)
class Place:
    """A folder of a bucket.

    Attributes:
        prefix: without a slash at its end; may be empty.
    """

    bucket: str
    prefix: str

    @classmethod
    def of(cls, setting: str) -> Place:
        """Return the place that a setting names as ``BUCKET/PREFIX``."""
        bucket, _, prefix = setting.partition("/")
        return cls(bucket, prefix)

    @property
    def objects(self) -> str:
        """The end of the ARN of its objects."""
        return f"{self.bucket}/{self.prefix}/*" if self.prefix else f"{self.bucket}/*"


def report_input(reports: Place, execution: object) -> dict[str, Any]:
    """Return the input of the function that writes the report.

    Args:
        reports: where it is written.
        execution: the execution as EventBridge describes it when its status changes.
    """
    return {"Execution": execution, "Bucket": reports.bucket, "Prefix": reports.prefix}


def definition(
    *,
    index: str,
    report: str,
    buckets: Sequence[str],
    concurrency: int,
    reports: Place,
) -> dict[str, Any]:
    """Return the definition.

    Args:
        index: ARN of the function that checks inputs and indexes photos.
        report: ARN of the function that writes the report.
        buckets: buckets that an execution may name.
        concurrency: highest number of photos at the same time.
        reports: where results and reports are written.
    """
    folder = "/".join(part for part in (reports.prefix, "{}") if part)
    return {
        "Comment": "Index the photos of a bucket",
        "StartAt": "Check",
        "States": {
            "Check": {
                **_task(
                    index,
                    {
                        "Action": "check",
                        "Input.$": "$",
                        "Buckets": list(buckets),
                        "MaxConcurrency": concurrency,
                    },
                ),
                "Next": "Index",
            },
            "Index": {
                "Type": "Map",
                "Label": LABEL,
                "ItemReader": {
                    "Resource": "arn:aws:states:::s3:listObjectsV2",
                    "Parameters": {"Bucket.$": "$.Bucket", "Prefix.$": "$.Prefix"},
                },
                "ItemSelector": {"Order.$": "$", "Key.$": "$$.Map.Item.Value.Key"},
                "MaxConcurrencyPath": "$.MaxConcurrency",
                "ToleratedFailurePercentagePath": "$.ToleratedFailurePercentage",
                "ItemProcessor": {
                    "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
                    "StartAt": "IndexPhoto",
                    "States": {
                        "IndexPhoto": {
                            **_task(
                                index,
                                {"Action": "index", "Order.$": "$.Order", "Key.$": "$.Key"},
                            ),
                            "End": True,
                        }
                    },
                },
                "ResultWriter": {
                    "Resource": "arn:aws:states:::s3:putObject",
                    "Parameters": {
                        "Bucket": reports.bucket,
                        "Prefix.$": f"States.Format('{folder}', $$.Execution.Name)",
                    },
                    # One line for each photo, with its input and output.
                    "WriterConfig": {"OutputType": "JSONL", "Transformation": "NONE"},
                },
                "Next": "Report",
            },
            "Report": {
                **_task(
                    report,
                    report_input(
                        reports,
                        {
                            "executionArn.$": "$$.Execution.Id",
                            "status": "SUCCEEDED",
                            "input.$": "$$.Execution.Input",
                        },
                    ),
                ),
                "End": True,
            },
        },
    }


def _task(function: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "Type": "Task",
        "Resource": _INVOKE,
        "Parameters": {"FunctionName": function, "Payload": dict(payload)},
        "OutputPath": "$.Payload",
        "Retry": [dict(each) for each in (_TEMPORARY, _PERMANENT, _CRASH)],
    }
