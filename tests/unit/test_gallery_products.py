"""Searches for many probes at once have the candidates of single ones, from products of bytes."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper

from facedex.gallery import onnx_graphs, products, scanning, selecting
from facedex.gallery import resident as resident_module
from facedex.gallery.coding import Coder
from facedex.gallery.resident import Candidates, Resident
from facedex.gallery.scanning import Segment
from tests.unit.test_gallery import KINDS, MOST, check, gallery, ids_of


@pytest.mark.parametrize("signed", [True, False])
def test_the_graphs_are_those_of_the_onnx_package(signed: bool) -> None:
    right = TensorProto.INT8 if signed else TensorProto.UINT8
    shapes = {"a": TensorProto.UINT8, "b": right, "c": TensorProto.INT32}
    given = {
        name: helper.make_tensor_value_info(name, t, [None, None]) for name, t in shapes.items()
    }
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["a", "b", "y"] + ["y"] * (not signed), ["c"])],
        "g",
        [given["a"], given["b"]],
        [given["c"]],
        [helper.make_tensor("y", TensorProto.UINT8, [], [128])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    model.producer_name = ""
    assert model.SerializeToString() == (products.SIGNED if signed else products.UNSIGNED)


@pytest.mark.parametrize("width", [32, 128, 2000])
@pytest.mark.parametrize("library", ["signed bytes", "unsigned bytes", "single precision"])
def test_products_are_exact(library: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    signed = library == "signed bytes"
    if signed and not products._signed_is_exact():
        pytest.skip("this processor has no 8-bit dot products")
    monkeypatch.setattr(products, "_signed_is_exact", lambda: signed)
    monkeypatch.setattr(onnx_graphs, "installed", lambda: library != "single precision")
    drawn = np.random.default_rng(1)
    heads = drawn.integers(0, 256, (3000, width)).astype(np.uint8)
    probes = drawn.integers(-127, 128, (width, 9)).astype(np.int8)
    heads[:2], probes[:, 0], probes[:, 1] = np.array([[255], [0]]), 127, -127
    expected = (heads.astype(np.int32) - 128) @ probes.astype(np.int32)
    assert np.array_equal(products.products(heads, probes), expected)


@pytest.mark.parametrize("runtime", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_a_gallery_is_searched_without_faiss_and_without_onnx_runtime(
    kind: str, runtime: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (scanning, resident_module):
        monkeypatch.setattr(module, "available", lambda: False)
    monkeypatch.setattr(onnx_graphs, "installed", lambda: runtime)
    vectors, ids = gallery(kind, 3000, 128, 3), ids_of(3000)
    resident = Resident(vectors, 3000)
    resident.load(ids[:2500], vectors[:2500])
    resident.add(ids[2500:], vectors[2500:])
    resident.remove(ids[:40])
    for probe in (*gallery("random", 2, 128, 4), vectors[7]):
        for limit, low in ((10, 0.1), (1, -2.0), (None, 0.5)):
            (found,) = resident.search([probe], limit=limit, min_score=low, most=MOST)
            check(vectors[40:], ids[40:], probe, limit or len(vectors), low, found)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("limit", "low"), [(10, 0.1), (1, -2.0), (900, -2.0)])
def test_many_probes_have_the_candidates_of_each(kind: str, limit: int, low: float) -> None:
    vectors, ids = gallery(kind, 3000, 128, 1), ids_of(3000)
    resident = Resident(vectors, 3000)
    resident.load(ids[:2500], vectors[:2500])
    resident.add(ids[2500:], vectors[2500:])
    resident.remove(ids[:40])
    probes = [*gallery("random", 5, 128, 2), *vectors[:20], *vectors[-3:]]
    together = resident.search(probes, limit=limit, min_score=low, most=MOST)
    for probe, found in zip(probes, together, strict=True):
        check(vectors[40:], ids[40:], probe, limit, low, found)
        (alone,) = resident.search([probe], limit=limit, min_score=low, most=MOST)
        assert isinstance(found, Candidates)
        assert isinstance(alone, Candidates)
        assert found.floor == pytest.approx(alone.floor, rel=1e-5, abs=1e-5)
        assert len(found.ids) == pytest.approx(len(alone.ids), abs=20)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("limit", [1, 10, 300, None])
def test_probes_have_their_candidates_in_all_segments(kind: str, limit: int | None) -> None:
    vectors, ids = gallery(kind, 9000, 64, 1), ids_of(9000)
    resident = Resident(vectors, 1000)
    resident.load(ids[:1000], vectors[:1000])
    for start in range(1000, 9000, 800):
        resident.add(ids[start : start + 800], vectors[start : start + 800])
    resident.remove(ids[500:600])
    left, left_ids = (
        np.delete(vectors, slice(500, 600), axis=0),
        np.delete(ids, slice(500, 600), axis=0),
    )
    probes = [*gallery("random", 12, 64, 2), *vectors[-3:]]
    for asked in (probes, probes[-8:], probes[:1]):
        found = resident.search(asked, limit=limit, min_score=0.3, most=MOST)
        for probe, candidates in zip(asked, found, strict=True):
            check(left, left_ids, probe, limit or len(left), 0.3, candidates)


def test_a_gallery_that_matches_whole_is_left_to_postgres(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selecting, "_MOST", 4)
    vectors, ids = gallery("one face", 5000, 64, 1), ids_of(5000)
    resident = Resident(vectors, 5000)
    resident.load(ids, vectors)
    found = resident.search([*vectors[:9]], limit=None, min_score=0.3, most=MOST)
    assert found == [None] * 9


@pytest.mark.parametrize("count", [3, 40, 150])
def test_a_selection_leaves_its_questions_as_they_are(count: int) -> None:
    vectors = gallery("random", 500, 257, 1)
    coder = Coder(vectors)
    segment = Segment(coder, 500)
    segment.append(ids_of(500), coder.encode(vectors))
    probes = gallery("random", count, 257, 2)
    questions = coder.questions(probes)
    before = questions.heads.copy()
    for _ in range(2):
        found = selecting.Selection(questions, np.full(count, 0.2)).among((segment, 0, 500))
        pairs = zip(found.ids.tolist(), found.numbers.tolist(), strict=True)
        present = {(*key, number) for key, number in pairs}
        assert found.complete
        near = np.argwhere(vectors @ probes.T > 0.201)
        assert {(*ids_of(500)[row].tolist(), number) for row, number in near.tolist()} <= present
    assert np.array_equal(questions.heads, before)
