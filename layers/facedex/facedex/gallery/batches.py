"""The scan for many probes at once: a product of two matrices of bytes.

FAISS scans a segment once for each probe. For many probes, the matrix product of ONNX Runtime reads
each code once, and takes a tenth of the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facedex.gallery.coding import OFFSET, Question
from facedex.gallery.scanning import Nearest, Segment, run_on_all

# Rows whose products fit into the cache of a processor.
_BLOCK: Final = 8192
# Rows that give a first lower bound on the best scores.
_PILOT: Final = 32_768
# The scan is given up if a larger share of all products is selected: selecting would take too long.
_MOST_SELECTED: Final = 0.05

# ONNX graphs with the one operator MatMulInteger, for a second matrix of signed and of unsigned
# bytes; the zero point of unsigned bytes is 128. tests/unit/test_gallery_batches.py makes them.
SIGNED: Final = bytes.fromhex(
    "080812003a5e0a1b0a01610a01620a0179120163220d4d61744d756c496e74656765721201672a0910022a028001"
    "4201795a0f0a0161120a0a08080212040a000a005a0f0a0162120a0a08080312040a000a00620f0a0163120a0a08"
    "080612040a000a0042040a00100d"
)
UNSIGNED: Final = bytes.fromhex(
    "080812003a610a1e0a01610a01620a01790a0179120163220d4d61744d756c496e74656765721201672a0910022a"
    "0280014201795a0f0a0161120a0a08080212040a000a005a0f0a0162120a0a08080212040a000a00620f0a016312"
    "0a0a08080612040a000a0042040a00100d"
)


def scan_above(
    segments: Sequence[Segment], questions: Sequence[Question], limit: int, min_score: float
) -> list[list[Nearest]] | None:
    """Return all rows whose scores may be among the best of each probe.

    Args:
        limit: number of best vectors wanted.
        min_score: minimum score of a vector.

    Returns:
        For each probe the products and rows of each segment, or None if there are too many.
    """
    probes = np.stack([question.head for question in questions], axis=1).astype(np.int8)
    pilot = _products(segments[0].heads[:_PILOT], probes)
    least = np.array(
        [
            _least_product(
                question, _floor(question, segments[0], pilot[:, number], limit, min_score)
            )
            for number, question in enumerate(questions)
        ],
        np.int32,
    )
    selected = run_on_all(segments, lambda segment: _select(segment, probes, least))
    if any(each is None for each in selected):
        return None
    return [
        [each[number] for each in selected if each is not None] for number in range(len(questions))
    ]


def _floor(
    question: Question,
    segment: Segment,
    products: NDArray[np.int32],
    limit: int,
    min_score: float,
) -> float:
    """Return a score that the ``limit`` best vectors reach, judged by the first rows."""
    some = min(len(products), 2 * limit + 32)
    rows = np.argpartition(products, len(products) - some)[len(products) - some :]
    rows = rows[segment.alive[rows]]
    if len(rows) < limit:
        return min_score
    reached = np.partition(segment.estimates(question, rows), -limit)[-limit]
    return max(min_score, float(reached) - question.error_exact)


def _least_product(question: Question, floor: float) -> int:
    """Return a product that is below that of any vector with at least that score."""
    product = (floor - question.offset) / question.step
    return int(np.clip(np.floor(product) - 1, -(2**31), 2**31 - 1))


def _select(
    segment: Segment, probes: NDArray[np.int8], least: NDArray[np.int32]
) -> list[Nearest] | None:
    heads, count = segment.heads, probes.shape[1]
    products: list[NDArray[np.int32]] = []
    rows: list[NDArray[np.int64]] = []
    numbers: list[NDArray[np.int64]] = []
    for start in range(0, len(heads), _BLOCK):
        block = _products(heads[start : start + _BLOCK], probes)
        chosen = np.flatnonzero(block > least)
        if len(chosen) > _MOST_SELECTED * block.size + 1000:
            return None
        products.append(block.ravel()[chosen])
        rows.append(chosen // count + start)
        numbers.append(chosen % count)
    number = np.concatenate(numbers)
    order = np.argsort(number, kind="stable")
    ends = np.searchsorted(number[order], np.arange(1, count))
    return list(
        zip(
            np.split(np.concatenate(products)[order].astype(np.float32), ends),
            np.split(np.concatenate(rows)[order], ends),
            strict=True,
        )
    )


def _products(heads: NDArray[np.uint8], probes: NDArray[np.int8]) -> NDArray[np.int32]:
    """Return the products (n, p) of codes (n, h) and probes (h, p)."""
    signed = _signed_is_exact()
    right = probes if signed else (probes.astype(np.int16) + OFFSET).astype(np.uint8)
    found: NDArray[np.int32] = _session(signed).run(None, {"a": heads, "b": right})[0]
    return found


@cache
def _signed_is_exact() -> bool:
    """Return whether products with signed bytes are exact on this processor.

    Without 8-bit dot-product instructions, ONNX Runtime adds pairs of products in 16 bits, and the
    largest ones overflow.
    """
    heads = np.array([[255, 0] * 32, [255] * 64, [0] * 64], np.uint8)
    probes = np.array([[127] * 64, [-127] * 64, [127, -127] * 32], np.int8).T
    found = _session(True).run(None, {"a": heads, "b": np.ascontiguousarray(probes)})[0]
    expected = (heads.astype(np.int32) - OFFSET) @ probes.astype(np.int32)
    return bool((found == expected).all())


@cache
def _session(signed: bool) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    return onnxruntime.InferenceSession(
        SIGNED if signed else UNSIGNED, options, providers=["CPUExecutionProvider"]
    )
