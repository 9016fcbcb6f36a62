from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from facedex.vision import images, packs
from facedex_cli.evaluation import photos
from facedex_cli.evaluation.sface.activations import observe
from facedex_cli.evaluation.sface.chips import tones
from facedex_cli.evaluation.sface.measuring import factorise, tabulate
from facedex_models import sface
from facedex_models.model_errors import UnreadableModel
from facedex_models.sface import tables
from facedex_models.sface.reading import parse
from facedex_models.sface.rounding import round_balanced, round_nearest
from facedex_models.sface.tables import Spread
from tests.unit import sface_file
from tests.unit.hash_seeds import outputs
from tests.unit.sface_file import cosines

Arrays = dict[str, NDArray[Any]]


@pytest.fixture(scope="module")
def published(pytestconfig: pytest.Config) -> bytes:
    assert pytestconfig.cache is not None
    return sface_file.published(pytestconfig.cache)


@pytest.fixture(scope="module")
def floats(published: bytes) -> onnxruntime.InferenceSession:
    return sface_file.session(sface.convert(published))


@pytest.fixture(scope="module")
def quantised(published: bytes) -> bytes:
    return sface.quantise(published, sface_file.tables())


@pytest.fixture(scope="module")
def session(quantised: bytes) -> onnxruntime.InferenceSession:
    return sface_file.session(quantised)


@pytest.fixture(scope="module")
def portrait_chips(pack: packs.Pack, portraits: dict[str, bytes]) -> NDArray[np.uint8]:
    return sface_file.chips_of(pack, map(images.decode, portraits.values()))


def run(session: onnxruntime.InferenceSession, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
    parts = [session.run(None, {"chips": chips[at : at + 8]})[0] for at in range(0, len(chips), 8)]
    return np.concatenate(parts)


def test_vectors_of_portraits_are_nearly_those_in_floats(
    floats: onnxruntime.InferenceSession,
    session: onnxruntime.InferenceSession,
    portrait_chips: NDArray[np.uint8],
) -> None:
    found = cosines(run(floats, portrait_chips), run(session, portrait_chips))
    assert found.min() > 0.985
    assert found.max() < 0.99999  # it is in 8 bits


def test_vectors_of_photos_that_were_never_measured_are_nearly_those_in_floats(
    floats: onnxruntime.InferenceSession,
    session: onnxruntime.InferenceSession,
    pack: packs.Pack,
    data: Path,
) -> None:
    paths = photos.below(data / "att_faces")[::10] + photos.below(data / "people")
    chips = sface_file.chips_of(pack, map(photos.read, paths + photos.below(data / "pairs")))
    assert len(chips) > 200
    found = cosines(run(floats, chips), run(session, chips))
    assert found.mean() > 0.995
    assert found.min() > 0.985


def test_a_chip_has_the_same_vector_alone_and_in_a_batch(
    session: onnxruntime.InferenceSession, portrait_chips: NDArray[np.uint8]
) -> None:
    together = run(session, portrait_chips)
    alone = [session.run(None, {"chips": chip[None]})[0][0] for chip in portrait_chips]
    np.testing.assert_array_equal(together, alone)


def test_no_chips_give_no_vectors(session: onnxruntime.InferenceSession) -> None:
    (found,) = session.run(None, {"chips": np.empty((0, 112, 112, 3), np.uint8)})
    assert found.shape == (0, 128)


def test_activations_stay_bytes_from_the_pixels_to_the_dense_layer(quantised: bytes) -> None:
    graph = onnx.load_model_from_string(quantised).graph
    operators = {node.op_type for node in graph.node}
    assert operators == {"Transpose", "Gather", "QLinearConv", "Max", "Flatten", "QGemm"}


def test_the_fourth_channel_of_the_pixels_counts_for_nothing(quantised: bytes) -> None:
    """It is there because ONNX Runtime convolves four channels faster than three."""
    graph = onnx.load_model_from_string(quantised).graph
    weights = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    first = next(node for node in graph.node if node.op_type == "QLinearConv")
    pixels = weights[first.input[3]]
    assert pixels.shape[1] == 4
    assert pixels[:, :3].any(axis=(0, 2, 3)).all()
    assert not pixels[:, 3].any()


def test_weights_that_add_up_use_7_bits(quantised: bytes) -> None:
    """With 8, CPUs without 8-bit dot products would compute other vectors."""
    graph = onnx.load_model_from_string(quantised).graph
    weights = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    summed = [
        weights[node.input[3]]
        for node in graph.node
        if node.op_type == "QLinearConv" and weights[node.input[3]].shape[1] > 1
    ]
    assert len(summed) == 14
    assert max(abs(each.astype(int)).max() for each in [*summed, weights["dense_weights"]]) == 63


def test_quantising_gives_the_same_bytes_in_every_process(
    published: bytes, quantised: bytes, tmp_path: Path
) -> None:
    given = tmp_path / "published.onnx", tmp_path / "tables"
    for file, content in zip(given, (published, sface_file.tables()), strict=True):
        file.write_bytes(content)
    script = (
        "import hashlib, sys, pathlib; from facedex_models import sface;"
        "given = [pathlib.Path(each).read_bytes() for each in sys.argv[1:]];"
        "print(hashlib.sha256(sface.quantise(*given)).hexdigest())"
    )
    assert outputs(script, *given) == {hashlib.sha256(quantised).hexdigest()}


def without_a_layer(arrays: Arrays) -> None:
    del arrays["conv_3_conv2d.steps"]


def with_another_layer(arrays: Arrays) -> None:
    arrays["conv_15_conv2d.steps"] = np.ones(3)


def with_fewer_channels(arrays: Arrays) -> None:
    arrays["conv_3_conv2d.steps"] = arrays["conv_3_conv2d.steps"][1:]


def with_a_step_of_none(arrays: Arrays) -> None:
    arrays["conv_3_conv2d.steps"][0] = 0


def with_infinity(arrays: Arrays) -> None:
    arrays["conv_3_conv2d.factors"][0] = np.inf


def with_two_zeros_where_one_is_padded(arrays: Arrays) -> None:
    arrays["conv_3_conv2d.zeros"][0] += 1


@pytest.mark.parametrize(
    "change",
    [
        without_a_layer,
        with_another_layer,
        with_fewer_channels,
        with_a_step_of_none,
        with_infinity,
        with_two_zeros_where_one_is_padded,
    ],
)
def test_tables_of_another_network_are_refused(
    published: bytes, change: Callable[[Arrays], None]
) -> None:
    arrays = dict(np.load(io.BytesIO(sface_file.tables())))
    change(arrays)
    altered = io.BytesIO()
    np.savez(altered, allow_pickle=False, **arrays)
    with pytest.raises(UnreadableModel, match="SFace's 8 bits"):
        sface.quantise(published, altered.getvalue())


@pytest.mark.parametrize("length", [0, 10, 10_000, -1])
def test_tables_cut_short_are_refused(published: bytes, length: int) -> None:
    with pytest.raises(UnreadableModel, match="SFace's 8 bits"):
        sface.quantise(published, sface_file.tables()[:length])


def test_tables_are_measured_on_chips_alone(
    published: bytes,
    floats: onnxruntime.InferenceSession,
    portrait_chips: NDArray[np.uint8],
) -> None:
    network = parse(published)
    chips = np.stack([toned for chip in portrait_chips for toned in [chip, *tones(chip)]])
    content = tables.write(tabulate(network, observe(network, chips)), network)
    session = sface_file.session(sface.quantise(published, content))
    found = cosines(run(floats, portrait_chips), run(session, portrait_chips))
    assert found.min() > 0.98


def test_rounding_without_common_factors_is_to_the_nearest() -> None:
    weights = np.random.default_rng(1).normal(size=(5, 9))
    nothing = Spread(np.zeros((9, 1)), np.ones(9))
    found, expected = round_balanced(weights, 63, nothing, 0.01), round_nearest(weights, 63)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_balanced_rounding_errs_less_on_inputs_that_vary_together() -> None:
    random = np.random.default_rng(2)
    inputs = random.normal(size=(2000, 3)) @ random.normal(size=(3, 40))
    inputs += 0.1 * random.normal(size=inputs.shape)
    weights = random.normal(size=(16, 40))
    errors = [
        ((inputs @ (weights - whole * scales[:, None]).T) ** 2).mean()
        for whole, scales in (
            round_balanced(weights, 63, factorise(np.cov(inputs.T), 3), 0.01),
            round_nearest(weights, 63),
        )
    ]
    assert errors[0] < errors[1] / 4
