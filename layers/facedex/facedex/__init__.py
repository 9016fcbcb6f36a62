"""Amazon Rekognition's face collections on Postgres and ONNX: the layer every function imports."""

__version__ = "0.1.0"
