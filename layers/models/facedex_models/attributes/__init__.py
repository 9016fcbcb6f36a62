"""Networks of the attributes pack: readers of their formats and converters to ONNX."""
