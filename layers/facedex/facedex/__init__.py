"""Amazon Rekognition's face collections on Postgres and ONNX: the layer every function imports."""

import os

__version__ = "0.2.0"

# ONNX Runtime's builds report to their makers unless told otherwise before they are loaded. Nothing
# of this product reports to anybody.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
