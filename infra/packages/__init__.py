"""Layers and functions' code, built for Lambda without Docker."""

from __future__ import annotations

from infra.packages.building import function, layer_of, layers, require_fit
from infra.packages.layout import layers_of
from infra.packages.targets import DEFAULT, DEPLOYABLE, PackageError, Target

# Lambda's setting for a function's entry point.
HANDLER = "facedex_functions.{name}.handler.lambda_handler"

__all__ = [
    "DEFAULT",
    "DEPLOYABLE",
    "HANDLER",
    "PackageError",
    "Target",
    "function",
    "layer_of",
    "layers",
    "layers_of",
    "require_fit",
]
