"""ONNX graphs of one operator, run in the calling thread, where ONNX Runtime is installed."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import Any


@cache
def installed() -> bool:
    """Return whether ONNX Runtime is installed."""
    return find_spec("onnxruntime") is not None


@cache
def session(graph: bytes) -> Any:
    """Return the session of a graph, which uses one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
