"""Model packs: what they are, where their networks come from, and how they become ONNX."""

import os

# ONNX Runtime's builds report to their makers unless told otherwise before they are loaded.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
