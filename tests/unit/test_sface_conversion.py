from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from PIL import Image

from facedex_models import sface
from facedex_models.model_errors import UnreadableModel
from facedex_models.sface.reading import parse
from tests.unit import sface_file
from tests.unit.hash_seeds import outputs


@pytest.fixture(scope="module")
def published(pytestconfig: pytest.Config) -> bytes:
    assert pytestconfig.cache is not None
    return sface_file.published(pytestconfig.cache)


@pytest.fixture(scope="module")
def converted(published: bytes) -> bytes:
    return sface.convert(published)


@pytest.fixture(scope="module")
def session(converted: bytes) -> onnxruntime.InferenceSession:
    return sface_file.session(converted)


def assert_same_as_published(
    session: onnxruntime.InferenceSession, published: bytes, chips: NDArray[np.uint8]
) -> None:
    expected = sface_file.embed_as_published(sface_file.as_published(published), chips)
    (found,) = session.run(None, {"chips": chips})
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_embeddings_of_textures_are_those_of_the_published_file(
    session: onnxruntime.InferenceSession, published: bytes
) -> None:
    assert_same_as_published(session, published, sface_file.textures())


def test_embeddings_of_photos_are_those_of_the_published_file(
    session: onnxruntime.InferenceSession, published: bytes, data: Path
) -> None:
    paths = sorted((data / "pairs").rglob("*.jpg"))[::5]
    assert paths
    chips = [np.asarray(Image.open(path).convert("RGB").resize((112, 112))) for path in paths]
    assert_same_as_published(session, published, np.stack(chips))


def test_a_chip_has_the_same_embedding_alone_and_in_a_batch(
    session: onnxruntime.InferenceSession,
) -> None:
    chips = sface_file.textures()
    (together,) = session.run(None, {"chips": chips})
    alone = [session.run(None, {"chips": chip[None]})[0][0] for chip in chips]
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-5)


def test_no_chips_give_no_embeddings(session: onnxruntime.InferenceSession) -> None:
    (found,) = session.run(None, {"chips": np.empty((0, 112, 112, 3), np.uint8)})
    assert found.shape == (0, 128)


def test_converting_gives_the_same_bytes_in_every_process(
    published: bytes, converted: bytes, tmp_path: Path
) -> None:
    file = tmp_path / "published.onnx"
    file.write_bytes(published)
    script = (
        "import hashlib, sys, pathlib; from facedex_models import sface;"
        "print(hashlib.sha256(sface.convert(pathlib.Path(sys.argv[1]).read_bytes())).hexdigest())"
    )
    assert outputs(script, file) == {hashlib.sha256(converted).hexdigest()}


def test_the_published_network_is_a_mobilenet_without_slopes_above_1(published: bytes) -> None:
    network = parse(published)
    assert network.side == 112
    assert len(network.layers) == 27
    assert sum(layer.depthwise for layer in network.layers) == 13
    assert max(layer.slopes.max() for layer in network.layers) <= 1
    assert network.dense.weights.shape == (128, 1024, 7, 7)


def test_a_file_cut_short_is_refused(published: bytes) -> None:
    for length in (0, 3, 300, 19_000, len(published) // 2, len(published) - 1):
        with pytest.raises(UnreadableModel):
            sface.convert(published[:length])


def test_a_converted_network_is_refused(converted: bytes) -> None:
    with pytest.raises(UnreadableModel):
        sface.convert(converted)


def other_pixels(graph: onnx.GraphProto) -> None:
    for constant in graph.initializer:
        if constant.name == "scalar_op1":
            constant.CopyFrom(numpy_helper.from_array(np.array([0], np.float32), constant.name))


def no_slopes(graph: onnx.GraphProto) -> None:
    for node in graph.node:
        if node.op_type == "PRelu":
            node.op_type = "Relu"
            del node.input[1:]


def dilated(graph: onnx.GraphProto) -> None:
    for node in graph.node:
        for setting in node.attribute:
            if setting.name == "dilations":
                setting.CopyFrom(helper.make_attribute("dilations", [2, 2]))


def one_layer_less(graph: onnx.GraphProto) -> None:
    nodes = {node.output[0]: node for node in graph.node}
    nodes["conv_14_dw_conv2d"].input[0] = "conv_12_relu"
    for name in ("conv_13_dw_conv2d", "conv_13_conv2d"):
        graph.node.remove(nodes[name])


def one_more_node(graph: onnx.GraphProto) -> None:
    graph.node.append(helper.make_node("Relu", ["fc1"], ["more"]))


def two_readers(graph: onnx.GraphProto) -> None:
    graph.node.append(helper.make_node("Relu", ["conv_3_relu"], ["aside"]))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (other_pixels, "its pixels are scaled differently"),
        (no_slopes, "it has Relu instead of PRelu"),
        (dilated, "its convolution conv_1_conv2d is of a different kind"),
        (one_layer_less, "its convolution conv_14_dw_conv2d is of a different kind"),
        (two_readers, "two nodes read the same value"),
        (one_more_node, "a node follows the dense layer"),
    ],
)
def test_another_network_is_refused_with_a_reason(
    published: bytes, change: Callable[[onnx.GraphProto], None], complaint: str
) -> None:
    model = onnx.load_model_from_string(published)
    change(model.graph)
    with pytest.raises(UnreadableModel, match=complaint):
        sface.convert(model.SerializeToString())
