"""Spans of the calls to AWS's services, by hooks of botocore."""

from __future__ import annotations

from typing import Any, Final

from facedex.observability import recording

_KEY: Final = "facedex span"  # in the context that botocore passes to all hooks of one call


def install() -> None:
    """Trace the calls of all clients that this process creates from now on."""
    from botocore import handlers

    for event, act in (
        ("before-call", _begin),
        ("after-call", _end),
        ("after-call-error", _end),
    ):
        if (event, act) not in handlers.BUILTIN_HANDLERS:
            handlers.BUILTIN_HANDLERS.append((event, act))


def _begin(model: Any, context: dict[str, Any], **_named: Any) -> None:
    service = str(model.service_model.service_id)
    span = recording.span(
        f"{service} {model.name}",
        remote=True,
        **{"rpc.system": "aws-api", "rpc.service": service, "rpc.method": str(model.name)},
    )
    span.__enter__()
    context[_KEY] = span


def _end(
    context: dict[str, Any],
    http_response: Any = None,
    exception: BaseException | None = None,
    **_named: Any,
) -> None:
    span = context.pop(_KEY, None)
    if span is None:
        return
    if http_response is not None:
        recording.annotate(**{"http.response.status_code": http_response.status_code})
    error = (type(exception), exception, exception.__traceback__) if exception else (None,) * 3
    span.__exit__(*error)
