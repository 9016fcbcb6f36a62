"""The networks of the attributes pack compute what the published ones compute."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from facedex.vision import packs
from facedex.vision.attributes import mesh, networks
from facedex.vision.attributes.eyes import LIDS
from facedex_cli.evaluation import attribute_ranges, iris_channels
from facedex_models import converting
from facedex_models.attributes import emotions_to_onnx, tflite_to_onnx, thinning
from facedex_models.fetching import fetch_member
from facedex_models.manifests import attributes
from facedex_models.model_errors import UnreadableModel
from facedex_models.networks import Network, read_ranges

NETWORKS = {network.kind: network for network in attributes().networks}
Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

# What Keras (TensorFlow 2.21) answers for the pictures of `textures(64, seed=16)[:3]`.
KERAS = [
    [0.051225, 0.000062, 0.046899, 0.248929, 0.344510, 0.027350, 0.281024],
    [0.065623, 0.002837, 0.050694, 0.621655, 0.073006, 0.104425, 0.081759],
    [0.024996, 0.000700, 0.053411, 0.623491, 0.099409, 0.011474, 0.186521],
]


@pytest.fixture(scope="session")
def published(pytestconfig: pytest.Config) -> dict[str, bytes]:
    """Return the published files by kind, cached between test runs."""
    assert pytestconfig.cache is not None
    folder = pytestconfig.cache.mkdir("facedex-models")
    return {kind: _cached(folder, network) for kind, network in NETWORKS.items()}


def _cached(folder: Path, network: Network) -> bytes:
    path = folder / network.source.sha256  # type: ignore[operator]
    if not path.exists():
        partial = path.with_suffix(f".{os.getpid()}")
        partial.write_bytes(fetch_member(network.source))
        partial.replace(path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def portrait_chips(data: Path, pack_directory: Path) -> Bytes:
    """Return chips of portraits that were not used for measuring ranges."""
    chips = attribute_ranges.chips(packs.load(pack_directory, threads=2), (data / "pairs",))
    assert len(chips) > 20
    return chips


# The points that the outputs of a network keep.
POINTS = {
    "face-mesh": tuple(tflite_to_onnx.MESH.values()),
    "iris": tuple(tflite_to_onnx.IRIS.values()),
}


def textures(side: int, seed: int) -> Bytes:
    """Return three coarse random pictures and one of noise: (4, side, side, 3)."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (3, 8, 8, 3)).astype(np.uint8)
    noise = random.integers(0, 256, (1, side, side, 3)).astype(np.uint8)
    return np.concatenate([coarse.repeat(side // 8, 1).repeat(side // 8, 2), noise])


def run(network: bytes, chips: Bytes) -> list[Floats]:
    session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    outputs: list[Floats] = session.run(None, {"chips": chips})
    return outputs


@pytest.mark.parametrize(("kind", "side"), [("face-mesh", 192), ("iris", 64)])
def test_points_are_those_of_the_original_runtime(
    published: dict[str, bytes], kind: str, side: int
) -> None:
    if sys.platform != "linux":
        pytest.skip("LiteRT, the original runtime, is installed on Linux only")
    litert = import_module("ai_edge_litert.interpreter")
    original = litert.Interpreter(model_content=published[kind], num_threads=1)
    original.allocate_tensors()
    (entry,) = original.get_input_details()
    chips = textures(side, seed=5)
    found = run(converting.CONVERTERS[kind](published[kind]), chips)
    kept = [each.kept for each in POINTS[kind]]
    for number, chip in enumerate(chips):
        original.set_tensor(entry["index"], (chip[None] / 255).astype(np.float32))
        original.invoke()
        outputs = original.get_output_details()[: len(found)]
        expected = [original.get_tensor(each["index"]) for each in outputs]
        for points, reference, numbers in zip(found, expected, kept, strict=True):
            difference = points[number] - reference.reshape(-1, 3)[list(numbers), :2]
            assert abs(difference).max() / side < 1e-4
            assert points[number].std() > 1


@pytest.mark.parametrize(("kind", "reduction"), [("age", 1), ("gender", 2)])
def test_ages_and_genders_are_those_of_the_published_network(
    published: dict[str, bytes], kind: str, reduction: int
) -> None:
    chips = textures(64, seed=5)
    found, *features = run(converting.CONVERTERS[kind](published[kind]), chips)
    assert [each.shape for each in features] == ([(4, 64, 8, 8)] if kind == "gender" else [])
    side = 64 // reduction
    reduced = chips.reshape(-1, side, reduction, side, reduction, 3).mean((2, 4))
    planes = ((reduced - [122.782, 117.001, 104.298]) / 256).transpose(0, 3, 1, 2)
    session = onnxruntime.InferenceSession(published[kind], providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, {"images": planes.astype(np.float32)})
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_emotions_are_those_of_keras(published: dict[str, bytes]) -> None:
    chips = textures(64, seed=16)[:3]
    found, features = run(emotions_to_onnx.convert(published["emotions"]), chips)
    assert features.shape == (3, 2, 128, 4, 4)
    np.testing.assert_allclose(found[:, 0], KERAS, rtol=0, atol=1e-5)


def test_the_second_view_of_the_emotion_network_is_the_mirror_image(
    published: dict[str, bytes],
) -> None:
    network = emotions_to_onnx.convert(published["emotions"])
    chips = textures(64, seed=16)
    mirrored = run(network, np.ascontiguousarray(chips[:, :, ::-1]))
    for one, other in zip(run(network, chips), mirrored, strict=True):
        np.testing.assert_allclose(one[:, ::-1], other, rtol=0, atol=1e-5)
        assert abs(one[:, 0] - one[:, 1]).max() > 1e-3


@pytest.mark.parametrize("kind", NETWORKS)
def test_every_face_of_a_batch_is_described_as_alone(
    published: dict[str, bytes], kind: str
) -> None:
    network = converting.convert(NETWORKS[kind], published[kind])
    chips = textures(192 if kind == "face-mesh" else 64, seed=9)
    together = run(network, chips)
    for number in range(len(chips)):
        for one, all_of_them in zip(run(network, chips[[number]]), together, strict=True):
            np.testing.assert_allclose(one[0], all_of_them[number], rtol=0, atol=1e-3)


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_network_is_converted_to_the_same_bytes_every_time(
    published: dict[str, bytes], kind: str
) -> None:
    one, other = (converting.convert(NETWORKS[kind], published[kind]) for _ in range(2))
    assert one == other


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_file_that_is_not_the_network_is_refused(published: dict[str, bytes], kind: str) -> None:
    content = published[kind]
    others = [b"", b"PK\3\4 no network", content[: len(content) // 3], content[:400]]
    others += [published[each] for each in NETWORKS if each != kind]
    for other in others:
        with pytest.raises(UnreadableModel):
            converting.CONVERTERS[kind](other)


def test_ages_in_8_bits_differ_less_than_by_moving_the_chip_by_a_pixel(
    published: dict[str, bytes], portrait_chips: Bytes
) -> None:
    floats = converting.CONVERTERS["age"](published["age"])
    expected = attribute_ranges.answers(floats, portrait_chips)
    short = converting.convert(NETWORKS["age"], published["age"])
    found = attribute_ranges.answers(short, portrait_chips)
    moved = attribute_ranges.answers(floats, np.roll(portrait_chips, 1, axis=2))
    assert abs(found - expected).mean() < abs(moved - expected).mean() / 2


def test_features_of_the_gender_network_in_8_bits_differ_far_less_than_by_moving_the_chip(
    published: dict[str, bytes], portrait_chips: Bytes
) -> None:
    floats = converting.CONVERTERS["gender"](published["gender"])
    expected = run(floats, portrait_chips)
    found = run(converting.convert(NETWORKS["gender"], published["gender"]), portrait_chips)
    moved = run(floats, np.roll(portrait_chips, 1, axis=2))
    assert abs(found[0] - expected[0]).max() < 0.05
    assert abs(found[1] - expected[1]).mean() < abs(moved[1] - expected[1]).mean() / 4


def test_the_networks_return_the_points_that_are_read() -> None:
    assert [each.kept for each in POINTS["face-mesh"]] == [mesh.POINTS]
    assert [each.kept for each in POINTS["iris"]] == [tuple(range(LIDS)), (0,)]


@pytest.fixture(scope="module")
def portrait_eyes(data: Path, pack_directory: Path, attributes_directory: Path) -> Bytes:
    """Return eyes of portraits that were not used for measuring channels."""
    attributes = networks.load(attributes_directory, threads=2)
    assert attributes is not None
    pack = packs.load(pack_directory, threads=2)
    eyes = iris_channels.chips(pack, attributes, (data / "pairs",))
    assert len(eyes) > 40
    return eyes


def test_points_of_eyes_with_fewer_channels_move_far_less_than_by_moving_the_chip_by_a_pixel(
    published: dict[str, bytes], portrait_eyes: Bytes
) -> None:
    whole = tflite_to_onnx.convert_iris(published["iris"])
    exact = iris_channels.points(whole, portrait_eyes)
    short = converting.convert(NETWORKS["iris"], published["iris"])
    assert len(short) < 0.95 * len(whole)
    lids, pupils = iris_channels.distances(iris_channels.points(short, portrait_eyes), exact)
    assert lids < 0.15
    assert pupils < 0.12
    moved = iris_channels.points(whole, np.roll(portrait_eyes, 1, axis=2))
    moved -= np.array([1, 0], np.float32)
    assert np.less((lids, pupils), np.divide(iris_channels.distances(moved, exact), 2)).all()


def test_channels_that_follow_exactly_from_others_are_removed_without_a_difference() -> None:
    random = np.random.default_rng(6)
    sources = random.normal(size=(400, 3))
    mixed = np.concatenate([sources, sources @ random.normal(size=(3, 2)) + 1], axis=1)
    spread = iris_channels.Spread()
    spread.add(mixed.T.reshape(1, 5, 20, 20).astype(np.float32))
    weights = random.normal(size=(4, 5))
    kept = iris_channels.choose([(weights, spread.covariance)], 3)
    table = iris_channels.follow(spread, kept)
    reduced = weights[:, kept] + weights[:, table.removed] @ table.factors
    found = mixed[:, kept] @ reduced.T + weights[:, table.removed] @ table.constants
    np.testing.assert_allclose(found, mixed @ weights.T, rtol=0, atol=1e-2)


def test_tables_of_channels_of_another_network_are_refused(published: dict[str, bytes]) -> None:
    measured = NETWORKS["iris"].ranges
    assert measured
    content = read_ranges(measured)
    tables = dict(thinning.read(content))
    tensor, table = next(iter(tables.items()))
    one_missing = {each: tables[each] for each in tables if each != tensor}
    shorter = thinning.Table(table.kept[:-1], table.factors[:, :-1], table.constants)
    for other in (
        b"",
        content[: len(content) // 2],
        thinning.write(one_missing),
        thinning.write({**tables, tensor: shorter}),
    ):
        with pytest.raises(UnreadableModel):
            tflite_to_onnx.thin_iris(published["iris"], other)
