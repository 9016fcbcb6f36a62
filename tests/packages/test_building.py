"""Packages fit into Lambda, and the same input gives the same bytes."""

from __future__ import annotations

import hashlib
import shutil
import tomllib
from pathlib import Path

import pytest

from facedex_models.manifests import ATTRIBUTES, attributes, manifest
from facedex_models.manifests import DEFAULT as PACK
from infra.packages import (
    DEFAULT,
    PackageError,
    Target,
    function,
    layer_of,
    layers,
    layers_of,
    require_fit,
)
from infra.packages.building import LARGEST, size
from infra.packages.distributions import WHEELS, install, locked, pins
from infra.packages.layout import layout
from infra.packages.locking import pinned, written
from infra.packages.targets import targets
from tests.packages.deployment import ROWS

# What the packs dlib and sface take, which collections of earlier releases need beside the default.
_FURTHER_PACKS = 20_000_000  # bytes

TARGETS = pytest.mark.parametrize(
    "target", [DEFAULT, Target("x86_64", DEFAULT.python)], ids=lambda each: each.architecture
)


@TARGETS
def test_every_function_fits_into_lambda_with_its_layers(target: Target) -> None:
    carried = layers(target, packs=(PACK, ATTRIBUTES))
    built = {name: size(path) for name, path in carried.items()}
    for name, row in ROWS.items():
        used = layers_of(row.needs)
        assert len(used) <= 5
        unzipped = size(function(name)) + sum(built[each] for each in used)
        print(f"{name:26} {unzipped / 2**20:6.1f} of {LARGEST / 2**20:.0f} MiB: {', '.join(used)}")
        further = _FURTHER_PACKS if "models" in used else 0
        assert unzipped + further <= LARGEST, f"{name} has {unzipped} bytes"


def test_the_model_layer_carries_every_chosen_pack(
    target: Target, dlib_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = tmp_path / "models"
    monkeypatch.setenv("FACEDEX_MODELS", str(models))
    shutil.copytree(dlib_directory, models / "dlib")
    shutil.copytree(dlib_directory, models / "opencv-zoo")
    (models / "opencv-zoo" / "pack.toml").write_text(manifest("opencv-zoo").text, "utf-8")
    made = layers(target, packs=("dlib", "opencv-zoo"), directory=tmp_path)
    found = {path.relative_to(made["models"]).as_posix() for path in made["models"].rglob("*.*")}
    files = ("pack.toml", "detector.onnx", "embedder.onnx")
    assert found == {f"models/{pack}/{file}" for pack in ("dlib", "opencv-zoo") for file in files}
    used = layers_of(ROWS["front_door"].needs)
    require_fit(made, "front_door", used)
    with (made["models"] / "models" / "dlib" / "embedder.onnx").open("ab") as file:
        file.truncate(LARGEST)  # sparse
    with pytest.raises(PackageError, match=r"front_door has \d+ MiB.*Lambda takes 250.*packs"):
        require_fit(made, "front_door", used)


def test_the_model_layer_carries_the_attributes_pack_within_nine_megabytes(
    built: dict[str, Path],
) -> None:
    carried = built["models"] / "models" / ATTRIBUTES
    assert {path.name for path in carried.iterdir()} == {"pack.toml", *attributes().files}
    assert size(carried) < 9_000_000


def test_the_same_input_gives_the_same_bytes(
    tmp_path: Path, target: Target, built: dict[str, Path]
) -> None:
    one = {**built, "front_door": function("front_door")}
    other = {
        **layers(target, packs=(PACK, ATTRIBUTES), directory=tmp_path),
        "front_door": function("front_door", directory=tmp_path),
    }
    assert one.keys() == other.keys()
    for name, place in one.items():
        assert place.name == other[name].name
        assert _contents(place) == _contents(other[name])


def test_a_layer_of_files_is_kept_until_they_change(tmp_path: Path) -> None:
    bundle = tmp_path / "mine.pem"
    made = []
    for content in ("old", "old", "new"):
        bundle.write_text(content)
        made.append(
            layer_of("ca", {"certificates/bundle.pem": bundle}, directory=tmp_path / "kept")
        )
        assert (made[-1] / "certificates" / "bundle.pem").read_text() == content
    assert made[0] == made[1] != made[2]


def test_packages_contain_no_install_records_or_bytecode(
    built: dict[str, Path],
) -> None:
    paths = [path for folder in built.values() for path in folder.rglob("*")]
    unwanted = {"RECORD", "INSTALLER", "direct_url.json", "__pycache__"}
    assert not [path for path in paths if path.name in unwanted or path.suffix == ".pyc"]


def test_a_functions_package_contains_no_other_function() -> None:
    folders = {path.name for path in (function("index_faces") / "facedex_functions").glob("*/")}
    assert folders == {"index_faces"}


def test_a_packaging_mistake_is_reported_in_one_sentence() -> None:
    with pytest.raises(PackageError, match="no packages for the architecture 'mips'"):
        Target("mips", "3.14")
    with pytest.raises(PackageError, match=r"Python '2.7'; it must be one of"):
        Target("arm64", "2.7")
    with pytest.raises(PackageError, match="no function 'nothing'"):
        function("nothing")
    with pytest.raises(PackageError, match="nobody"):
        layers(DEFAULT, packs=("nobody",))
    with pytest.raises(PackageError, match=r"pins no version of left-pad"):
        pins(["left-pad"], DEFAULT)


def test_a_pin_is_the_one_for_the_targets_python_and_not_for_ours() -> None:
    old, new = (pins(["numpy"], Target("arm64", python)) for python in ("3.11", "3.14"))
    assert old != new


def test_every_pin_lists_its_wheels_hashes() -> None:
    """Check that the lock files are those of ``python -m infra.packages.locking``."""
    table = tomllib.loads(WHEELS.read_text("utf-8"))
    assert table.keys() == {pin for target in targets() for pin in pinned(target)}
    assert WHEELS.read_text("utf-8") == written(table)
    for target in targets():
        assert all("--hash=sha256:" in line for line in locked(pinned(target)))


def test_a_wheel_with_another_hash_is_refused(tmp_path: Path, target: Target) -> None:
    (pin,) = pins(["six"], target)
    wanted = [f"{pin} --hash=sha256:{'0' * 64}"]
    with pytest.raises(PackageError, match=r"does not have the hash in wheels\.toml"):
        install(wanted, target, tmp_path / "installed", scratch=tmp_path)
    assert not list(tmp_path.rglob("six.py"))
    with pytest.raises(PackageError, match=r"has no wheel of left-pad==1\.0; after"):
        locked(["left-pad==1.0"])


def test_the_code_layer_excludes_unused_service_models_and_install_records() -> None:
    code = layout()["code"]
    assert not code.takes("botocore/data/ec2/2016-11-15/service-2.json.gz")
    assert code.takes("botocore/data/rekognition/2016-06-27/service-2.json.gz")
    assert code.takes("botocore/data/endpoints.json")
    assert not code.takes("numpy-2.0.0.dist-info/RECORD")
    assert code.takes("psycopg-3.0.0.dist-info/METADATA")


def _contents(folder: Path) -> dict[str, tuple[int, str]]:
    return {
        path.relative_to(folder).as_posix(): (
            path.stat().st_mode,
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        )
        for path in sorted(folder.rglob("*"))
    }
