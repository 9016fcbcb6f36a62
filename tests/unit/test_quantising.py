from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from PIL import Image

from facedex.vision import centerface, detection, images, packs
from facedex_cli.evaluation.ranges import crowd
from facedex_cli.evaluation.sources import ARCHIVED
from facedex_models import converting, preparing, quantising
from facedex_models.activation_statistics import Measured, read_measured
from facedex_models.fetching import fetch_member
from facedex_models.manifests import manifest
from facedex_models.model_errors import ModelError, UnreadableModel
from facedex_models.networks import Network, Ranges, read_ranges

PACK = manifest("dlib")


@pytest.fixture(scope="module")
def floats() -> dict[str, bytes]:
    """Return the two networks of the default pack before they are quantised."""
    return {
        network.kind: converting.CONVERTERS[network.kind](fetch_member(network.source))
        for network in PACK.networks
    }


def measured(network: Network) -> Measured:
    assert network.ranges is not None
    return read_measured(read_ranges(network.ranges))


def run(network: bytes, batch: NDArray[np.generic]) -> list[NDArray[np.float32]]:
    session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    outputs: list[NDArray[np.float32]] = session.run(None, {session.get_inputs()[0].name: batch})
    return outputs


def test_vectors_in_8_bits_are_nearly_those_in_floats(
    floats: dict[str, bytes], dlib_directory: Path, portraits: dict[str, bytes]
) -> None:
    pack = packs.load(dlib_directory)
    for photo in portraits.values():
        image = images.decode(photo)
        marks = pack.find(image)[0].landmarks * image.extent
        chips = pack.embedder.cut(image.picture, marks[None])[0][:, 0]
        exact = run(floats["dlib-resnet"], chips)[0][0]
        short = run((dlib_directory / "embedder.onnx").read_bytes(), chips)[0][0]
        cosine = exact @ short / np.linalg.norm(exact) / np.linalg.norm(short)
        assert 0.999 < cosine < 0.999999  # the lower end: as good; the upper: it is in 8 bits


def test_faces_found_in_8_bits_are_nearly_where_they_were_in_floats(
    floats: dict[str, bytes], dlib_directory: Path, portraits: dict[str, bytes]
) -> None:
    for photo in portraits.values():
        picture = Image.open(io.BytesIO(photo)).convert("RGB")
        picture.thumbnail((480, 480))
        batch = detection.pad(np.asarray(picture))[None]
        exact, short = (
            centerface.decode_peaks(*run(network, batch))
            for network in (floats["centerface"], (dlib_directory / "detector.onnx").read_bytes())
        )
        assert len(exact.scores) == len(short.scores) == 1
        assert abs(exact.scores[0] - short.scores[0]) < 0.01
        eyes = np.linalg.norm(exact.landmarks[0, 0] - exact.landmarks[0, 1])
        assert np.abs(exact.landmarks - short.landmarks).max() < 0.08 * eyes


def test_small_faces_are_found_in_8_bits(dlib_directory: Path, portraits: dict[str, bytes]) -> None:
    detector = packs.load(dlib_directory).detector
    board = Image.new("RGB", (1200, 800), (120, 120, 120))
    for number in range(24):
        picture = Image.open(io.BytesIO(portraits[("eileen", "grace")[number % 2]])).convert("RGB")
        box = detector.detect(picture, longest_side=1280).boxes[0]
        middle, reach = (box[:2] + box[2:]) / 2, 0.6 * (box[2:] - box[:2]).max()
        left, top, right, bottom = (
            round(float(edge)) for edge in (*(middle - reach), *(middle + reach))
        )
        side = round(1.2 * (36 + number // 2))  # faces of 36 to 47 pixels
        head = picture.crop((left, top, right, bottom))
        place = 60 + number % 6 * 190, 60 + number // 6 * 150
        board.paste(head.resize((side, side), Image.Resampling.LANCZOS), place)
    assert len(detector.detect(board, longest_side=1280).scores) == 24


def test_a_network_is_quantised_to_the_same_bytes_each_time(floats: dict[str, bytes]) -> None:
    for network in PACK.networks:
        built = [quantising.quantise(floats[network.kind], *measured(network)) for _ in range(2)]
        assert built[0] == built[1]
        assert len(built[0]) < len(floats[network.kind]) / 3


def test_weights_use_7_bits_for_cpus_without_vnni(dlib_directory: Path) -> None:
    for name in ("detector.onnx", "embedder.onnx"):
        graph = onnx.load(dlib_directory / name).graph
        weights = [
            onnx.numpy_helper.to_array(constant)
            for constant in graph.initializer
            if constant.data_type == onnx.TensorProto.INT8 and len(constant.dims) == 4
        ]
        # What works channel by channel adds in 32 bits everywhere.
        assert max(int(np.abs(each).max()) for each in weights if each.shape[1] > 1) == 63


def test_ranges_of_another_network_are_refused(floats: dict[str, bytes]) -> None:
    with pytest.raises(UnreadableModel, match="no activation"):
        quantising.quantise(floats["centerface"], *measured(PACK.embedders[0]))


def test_equalised_channels_change_nothing_in_floats(
    floats: dict[str, bytes], portraits: dict[str, bytes]
) -> None:
    peaks = measured(PACK.detector).peaks
    plain, equalised = (
        preparing.prepare(floats["centerface"], each).SerializeToString() for each in ({}, peaks)
    )
    assert plain != equalised
    batch = detection.pad(images.decode(portraits["eileen"]).pixels)[None]
    for expected, found in zip(run(plain, batch), run(equalised, batch), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_averages_as_convolutions_change_nothing_in_floats(floats: dict[str, bytes]) -> None:
    prepared = preparing.prepare(floats["dlib-resnet"])
    assert "AveragePool" not in [node.op_type for node in prepared.graph.node]
    chips = np.random.default_rng(5).integers(0, 256, (3, 150, 150, 3), np.uint8)
    (expected,), (found,) = (
        run(network, chips) for network in (floats["dlib-resnet"], prepared.SerializeToString())
    )
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_layers_without_a_rectifier_between_them_become_one(
    floats: dict[str, bytes], portraits: dict[str, bytes]
) -> None:
    prepared = preparing.prepare(floats["centerface"])
    made = {name for node in prepared.graph.node for name in node.output}
    assert "507" not in made  # 320 channels, of which only 24 others are made
    assert "369" in made  # 16 channels: one layer from 32 to 96 would multiply more
    batch = detection.pad(images.decode(portraits["eileen"]).pixels)[None]
    for expected, found in zip(
        run(floats["centerface"], batch), run(prepared.SerializeToString(), batch), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_the_detectors_table_covers_every_channel_that_is_bytes(floats: dict[str, bytes]) -> None:
    table = measured(PACK.detector)
    built = onnx.load_model_from_string(quantising.quantise(floats["centerface"], *table))
    shapes = {constant.name: list(constant.dims) for constant in built.graph.initializer}
    assert table.peaks.keys() == table.ranges.keys()
    for node in built.graph.node:
        if node.op_type == "Conv" and f"{node.input[1].removesuffix('_read')}_whole" in shapes:
            given = node.input[0].removesuffix("_read")
            weights = shapes[f"{node.input[1].removesuffix('_read')}_whole"]
            channels = weights[0] if weights[1] == 1 else weights[1]
            assert len(table.means[given]) == len(table.peaks[given]) == channels


def test_averages_take_off_what_rounded_weights_add(
    floats: dict[str, bytes], portraits: dict[str, bytes]
) -> None:
    table = measured(PACK.detector)
    batch = detection.pad(images.decode(portraits["grace"]).pixels)[None]
    exact = run(floats["centerface"], batch)
    errors = []
    for means in (table.means, {}):
        built = quantising.quantise(floats["centerface"], table.ranges, table.peaks, means)
        found = run(built, batch)
        errors.append([abs((a - b).mean()) for a, b in zip(found[1:], exact[1:], strict=True)])
    assert sum(errors[0]) < sum(errors[1]) / 2


def test_averages_of_other_channels_are_refused(floats: dict[str, bytes]) -> None:
    table = measured(PACK.detector)
    with pytest.raises(UnreadableModel, match="'373' has other channels"):
        quantising.quantise(
            floats["centerface"], table.ranges, table.peaks, table.means | {"373": [1.0]}
        )


@pytest.mark.parametrize("side", [24, 32, 48, 80])
def test_faces_of_crowds_are_found_as_in_floats(
    floats: dict[str, bytes], dlib_directory: Path, data: Path, side: int
) -> None:
    short = (dlib_directory / "detector.onnx").read_bytes()
    with zipfile.ZipFile(data / "lfw_crops_80.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
        names = [name for place, name in enumerate(names) if place % ARCHIVED][:600]
        faces = [Image.open(archive.open(name)).convert("RGB") for name in names]
    expected = missed = total = 0
    for canvas in crowd(faces, side):
        exact, found = (
            centerface.decode_peaks(*run(network, detection.pad(canvas)[None])).boxes
            for network in (floats["centerface"], short)
        )
        middles = [(boxes[:, :2] + boxes[:, 2:]) / 2 for boxes in (exact, found)]
        apart = np.linalg.norm(middles[0][:, None] - middles[1][None], axis=2)
        expected, total = expected + len(exact), total + len(found)
        missed += int((apart.min(axis=1, initial=np.inf) > side / 4).sum())
    assert expected > 200
    assert missed <= 0.03 * expected  # those at the threshold
    assert total >= 0.99 * expected


def test_a_face_that_fills_the_picture_has_no_second_one_in_8_bits(
    dlib_directory: Path, data: Path
) -> None:
    detector = packs.load(dlib_directory).detector
    for path in sorted((data / "pairs").glob("*.jpg")):
        picture = images.decode(path.read_bytes()).picture
        left, top, right, bottom = (
            round(float(edge)) for edge in detector.detect(picture, longest_side=1280).boxes[0]
        )
        face = picture.crop((left, top, right, bottom))
        for side in (300, 480, 640, 1300):
            filled = face.resize((side, side), Image.Resampling.BICUBIC)
            assert len(detector.detect(filled, longest_side=1280).scores) == 1, (path.name, side)


@pytest.mark.parametrize(
    ("peaks", "reason"),
    [
        ({"535": [1.0, 2.0]}, "other channels"),
        ({"373": [1.0, 2.0]}, "other channels"),  # read channel by channel
        ({"532": [1.0] * 24, "528": [1.0, 2.0]}, "other channels"),  # a sum and a part of it
        ({"input.1": [1.0] * 3}, "cannot be equalised"),  # pixels
        ({"heads": [1.0] * 15}, "cannot be equalised"),  # taken apart
        ({"unknown": [1.0]}, "cannot be equalised"),
    ],
)
def test_channels_that_cannot_be_equalised_are_refused(
    floats: dict[str, bytes], peaks: dict[str, list[float]], reason: str
) -> None:
    with pytest.raises(UnreadableModel, match=reason):
        preparing.prepare(floats["centerface"], peaks)


def test_a_layer_that_ends_in_floats_keeps_its_weights(floats: dict[str, bytes]) -> None:
    built = onnx.load_model_from_string(
        quantising.quantise(floats["centerface"], *measured(PACK.detector))
    )
    kinds = {constant.name: constant.data_type for constant in built.graph.initializer}
    heads = next(node for node in built.graph.node if node.name == "heads")
    assert kinds[heads.input[1]] == onnx.TensorProto.FLOAT


def test_bytes_pass_padding_as_they_are(floats: dict[str, bytes]) -> None:
    built = onnx.load_model_from_string(
        quantising.quantise(floats["dlib-resnet"], *measured(PACK.embedders[0]))
    )
    produced = {name: node.op_type for node in built.graph.node for name in node.output}
    pads = [node for node in built.graph.node if node.op_type == "Pad"]
    assert pads
    assert all(produced[node.input[0]] != "DequantizeLinear" for node in pads)


def test_altered_ranges_are_refused() -> None:
    assert PACK.detector.ranges is not None
    with pytest.raises(ModelError, match="install Facedex again"):
        read_ranges(Ranges(PACK.detector.ranges.file, "0" * 64))
