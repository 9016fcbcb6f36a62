"""Galleries are loaded by several threads, in half precision, with exact conversions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, helper

from facedex.gallery import rotation
from facedex.gallery.resident import Resident
from facedex.gallery.scanning import Ids
from tests.unit.test_gallery import MOST, Vectors, check, gallery, ids_of, unit


def graph_of(node: NodeProto, *types: int) -> bytes:
    given = [
        helper.make_tensor_value_info(name, each, [None, None])
        for name, each in zip([*node.input, "y"], types, strict=True)
    ]
    graph = helper.make_graph([node], "g", given[:-1], given[-1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    model.producer_name = ""
    written: bytes = model.SerializeToString()
    return written


def test_the_graphs_are_those_of_the_onnx_package() -> None:
    single, half = TensorProto.FLOAT, TensorProto.FLOAT16
    cast = helper.make_node("Cast", ["a"], ["y"], to=single)
    assert graph_of(cast, half, single) == rotation.CAST
    product = helper.make_node("MatMul", ["a", "b"], ["y"])
    assert graph_of(product, single, single, single) == rotation.MATMUL


def test_each_half_is_converted_exactly() -> None:
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    numbers = halves[~np.isnan(halves)].reshape(-1, 2)
    assert np.array_equal(rotation.to_single(numbers), numbers.astype(np.float32))


def test_products_are_those_of_double_precision() -> None:
    drawn = np.random.default_rng(1)
    vectors = drawn.standard_normal((300, 257)).astype(np.float32)
    basis = drawn.standard_normal((257, 257)).astype(np.float32)
    exact = vectors.astype(np.float64) @ basis.astype(np.float64)
    assert np.abs(rotation.rotate(vectors, basis) - exact).max() < 1e-4


@pytest.mark.parametrize("kind", ["random", "outliers"])
def test_threads_load_segments_of_a_fixed_size_together(kind: str) -> None:
    vectors, ids = gallery(kind, 9000, 129, 1), ids_of(9000)
    sample = gallery("one face", 100, 129, 2) if kind == "outliers" else vectors
    resident = Resident(sample, 2000)
    if kind == "outliers":
        # A code that does not suit some of the vectors.
        vectors[50:] = gallery("one face", 8950, 129, 3)

    def load(thread: int) -> None:
        loader = resident.loader()
        for start in range(thread * 250, 9000, 750):
            some = slice(start, start + 250)
            loader.add(ids[some], vectors[some].astype(np.float16))
        loader.finish()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(load, range(3)))
    sizes = sorted(segment.used for segment in resident._segments)
    assert sizes[-3:] == [2000, 2000, 2000]
    assert len(sizes) == 6
    assert resident.size == 9000
    assert bool(resident.outliers) == (kind == "outliers")
    (found,) = resident.search([vectors[8000]], limit=3, min_score=0.5, most=MOST)
    check(vectors, ids, vectors[8000], 3, 0.5, found)


def usual_and_odd(usual: int, odd: int) -> tuple[Vectors, Vectors, Ids, Ids]:
    """Return vectors that a code suits, others that it does not, and the ids of both."""
    drawn = np.random.default_rng(4)
    near = unit(np.ones((usual, 16)) + 0.01 * drawn.standard_normal((usual, 16)))
    ids = ids_of(usual + odd)
    return near, unit(drawn.standard_normal((odd, 16))), ids[:usual], ids[usual:]


def test_a_gallery_that_grows_lacks_no_vector_without_a_code() -> None:
    """There are too many such vectors at first, and few among all vectors at the end."""
    near, odd, ids, odd_ids = usual_and_odd(300_000, 290)
    resident = Resident(near[:9000], len(near))
    loader = resident.loader()
    loader.add(ids[:190_000], near[:190_000])
    # Two parts that are encoded one after the other, before the next segment is complete.
    loader.add(
        np.concatenate([odd_ids[:257], ids[190_000:190_767], odd_ids[257:], ids[190_767:]]),
        np.concatenate([odd[:257], near[190_000:190_767], odd[257:], near[190_767:]]),
    )
    loader.finish()
    assert not resident.usable or len(resident.outliers) == len(odd)


def test_a_gallery_that_shrinks_and_grows_lacks_no_vector_without_a_code() -> None:
    near, odd, ids, odd_ids = usual_and_odd(270_011, 270)
    resident = Resident(near[:9000], len(near))
    resident.load(
        np.concatenate([ids[:268_735], odd_ids[:269]]), np.concatenate([near[:268_735], odd[:269]])
    )
    assert resident.usable
    resident.remove(ids[:10])
    assert not resident.usable
    resident.add(
        np.concatenate([odd_ids[269:], ids[268_735:]]), np.concatenate([odd[269:], near[268_735:]])
    )
    assert not resident.usable or len(resident.outliers) == len(odd)
