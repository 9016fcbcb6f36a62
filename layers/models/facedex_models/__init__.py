"""Model packs: their manifests, and downloading and converting their networks to ONNX."""

import os

# Some builds of ONNX Runtime send telemetry to their vendor unless this is set before they are
# loaded.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
