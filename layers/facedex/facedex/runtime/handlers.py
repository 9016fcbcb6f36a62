"""The Lambda handlers of the catalog's functions, imported on first use."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

from facedex.api.catalog import OPERATIONS
from facedex.runtime.operation import Endpoint

LambdaHandler: TypeAlias = Callable[[Mapping[str, Any], Any], Any]


def load(function: str) -> LambdaHandler:
    """Import the Lambda handler of a function.

    Args:
        function: its folder in ``functions/facedex_functions/``.
    """
    module = importlib.import_module(f"facedex_functions.{function}.handler")
    return cast("LambdaHandler", module.lambda_handler)


def endpoint(operation: str) -> Endpoint:
    """Import the handler of an operation of the catalog."""
    return cast("Endpoint", load(OPERATIONS[operation].function))
