from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest

from facedex.vision import images, packs, quality
from facedex.vision.embedding import FusedEmbedder
from facedex.vision.images import Image as Photo
from facedex.vision.stretching import Stretch
from facedex.vision.vision_errors import PackMissing
from facedex_models import installing
from facedex_models.manifests import DEFAULT, manifest

CURVE = {"detail": [0.1, 0.4], "factor": [2.0, 1.0]}


def test_a_fused_product_is_the_weighted_mean_of_the_networks_own(
    portraits: dict[str, bytes],
) -> None:
    fused = packs.load(installing.pull(DEFAULT))
    parts = tomllib.loads(manifest(DEFAULT).text)["embedder"]["parts"]
    split = parts[0]["dimension"]
    vectors = []
    for name in ("eileen", "grace"):
        image = images.decode(portraits[name])
        vectors.append(fused.embed(image, fused.detect(image)[:1])[0])
    one, other = np.array(vectors)
    means = [part["share"] for part in parts]
    assert float(one[:split] @ one[:split]) == pytest.approx(means[0], abs=1e-5)
    assert float(one[split:] @ one[split:]) == pytest.approx(means[1], abs=1e-5)
    cosines = [float(one[each] @ other[each]) for each in (slice(0, split), slice(split, None))]
    assert float(one @ other) == pytest.approx(sum(cosines), abs=1e-5)


def test_a_fused_vector_holds_the_vector_of_the_pack_with_its_first_network_alone(
    portraits: dict[str, bytes],
) -> None:
    image = images.decode(portraits["grace"])
    alone, fused = (packs.load(installing.pull(name)) for name in ("sface", "sface-dlib"))
    share = tomllib.loads(manifest("sface-dlib").text)["embedder"]["parts"][0]["share"]
    (one,), (both,) = (pack.embed(image, pack.detect(image)[:1]) for pack in (alone, fused))
    assert np.allclose(both[:128], np.sqrt(share) * one, atol=1e-5)


@pytest.mark.parametrize("shares", [[], [0.5], [0.7, 0.7], [1.5, -0.5]])
def test_shares_that_do_not_add_up_to_one_are_refused(shares: list[float]) -> None:
    part = packs.load(installing.pull("dlib")).embedder
    with pytest.raises(ValueError, match="add up to 1"):
        FusedEmbedder([(share, part) for share in shares])


def test_a_fused_pack_with_wrong_shares_is_named(tmp_path: Path) -> None:
    text = manifest("sface-dlib").text.replace("share = 0.832", "share = 0.5")
    (tmp_path / "pack.toml").write_text(text, encoding="utf-8")
    with pytest.raises(PackMissing, match=r"add up to 1.*fetch it again"):
        packs.load(tmp_path)


def test_a_stretch_moves_vectors_from_or_to_the_mean_by_their_detail() -> None:
    stretch = Stretch.of(centre=[1.0, 2.0], **CURVE)
    vectors = np.array([[2.0, 4.0]] * 4, np.float32)
    detail = np.array([0.0, 0.1, 0.2, 9.0], np.float32)
    factors = (stretch.apply(vectors, detail) - [1, 2]) / [1, 2]
    assert factors[:, 0] == pytest.approx([2, 2, 2**0.5, 1])
    assert factors[:, 0] == pytest.approx(factors[:, 1])


@pytest.mark.parametrize("change", [{"detail": [0.4, 0.1]}, {"factor": [1.0]}])
def test_a_stretch_that_is_not_a_curve_is_refused(change: dict[str, list[float]]) -> None:
    with pytest.raises(ValueError, match="ascending details"):
        Stretch.of(centre=[0.0], **(CURVE | change))


def test_detail_falls_as_a_face_has_fewer_pixels(portraits: dict[str, bytes]) -> None:
    pack = packs.load(installing.pull("sface-dlib"))
    whole = images.decode(portraits["grace"]).picture
    found = []
    for side in (None, 200, 100):
        picture = whole.copy()
        if side:
            picture.thumbnail((side, side))
        photo = Photo(picture, *picture.size)
        (face,) = pack.detect(photo)[:1]
        chips = pack.embedder.cut(picture, face.landmarks[None] * photo.extent)
        found.append(float(quality.detail(chips[1][:, -1])[0]))
    assert found == sorted(found, reverse=True)
    assert found[0] > 2 * found[-1]
