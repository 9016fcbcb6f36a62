"""The layer that every function imports: face collections on Postgres and ONNX."""

import os

__version__ = "0.2.0"

# Some builds of ONNX Runtime send telemetry to their vendor unless this is set before they are
# loaded. This product sends no telemetry.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
