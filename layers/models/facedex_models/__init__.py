"""Model packs: what they are, where their networks come from, and how they become ONNX."""
