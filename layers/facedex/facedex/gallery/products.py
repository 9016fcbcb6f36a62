"""Products of codes and of many probes at once, by a matrix product of bytes.

FAISS scans a segment once for each probe. The matrix product of ONNX Runtime reads each code once:
one probe takes twice the time of FAISS, ten take half of it, and a hundred a fifth. It uses
the 8-bit instructions of the processor: on x86_64 those of AVX2 or VNNI, on arm64 UDOT or UMMLA.

Functions on Lambda that process no images have no ONNX Runtime. NumPy multiplies there, in single
precision.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facedex.gallery import onnx_graphs
from facedex.gallery.questions import OFFSET

# Rows whose numbers in single precision fit into the cache of a processor.
_FLOATS: Final = 1024
# Columns whose products have sums below 2**24, which single precision does not round.
_EXACT: Final = 512

# ONNX graphs with the one operator MatMulInteger, for a second matrix of signed and of unsigned
# bytes; the zero point of unsigned bytes is 128. tests/unit/test_gallery_products.py makes them.
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


def products(heads: NDArray[np.uint8], probes: NDArray[np.int8]) -> NDArray[np.int32]:
    """Return the products (n, p) of codes (n, h) and probes (h, p)."""
    if not onnx_graphs.installed():
        return _in_single_precision(heads, probes)
    signed = _signed_is_exact()
    right = probes if signed else (probes.astype(np.int16) + OFFSET).astype(np.uint8)
    found: NDArray[np.int32] = onnx_graphs.session(SIGNED if signed else UNSIGNED).run(
        None, {"a": heads, "b": right}
    )[0]
    return found


def _in_single_precision(heads: NDArray[np.uint8], probes: NDArray[np.int8]) -> NDArray[np.int32]:
    """Return the same by NumPy."""
    if len(probes) > _EXACT:
        parts = slice(None, _EXACT), slice(_EXACT, None)
        first, others = (_in_single_precision(heads[:, each], probes[each]) for each in parts)
        return first + others
    right = probes.astype(np.float32)
    found = np.empty((len(heads), probes.shape[1]), np.float32)
    for start in range(0, len(heads), _FLOATS):
        rows = slice(start, start + _FLOATS)
        np.matmul(heads[rows].astype(np.float32), right, out=found[rows])
    found -= OFFSET * right.sum(axis=0)
    return found.astype(np.int32)


@cache
def _signed_is_exact() -> bool:
    """Return whether products with signed bytes are exact on this processor.

    Without 8-bit dot-product instructions, ONNX Runtime adds pairs of products in 16 bits, and the
    largest ones overflow.
    """
    heads = np.array([[255, 0] * 32, [255] * 64, [0] * 64], np.uint8)
    probes = np.array([[127] * 64, [-127] * 64, [127, -127] * 32], np.int8).T
    found = onnx_graphs.session(SIGNED).run(None, {"a": heads, "b": np.ascontiguousarray(probes)})[
        0
    ]
    expected = (heads.astype(np.int32) - OFFSET) @ probes.astype(np.int32)
    return bool((found == expected).all())
