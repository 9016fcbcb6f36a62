"""The packages for arm64, the default architecture, run on an emulated processor."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facedex_models.manifests import DEFAULT as PACK
from infra.packages import DEFAULT, function, layers
from tests.packages.deployment import ROWS, Deployment
from tests.packages.emulation import ForeignPython, foreign_python

pytestmark = pytest.mark.infra  # half a minute and a download: not for the README

# Every module of ours, and every extension module of the distributions, found in the folders that
# are the arguments; prints the machine, their names, and why one cannot be imported.
_IMPORT_ALL = """
import importlib, json, pathlib, platform, sys, sysconfig
sys.path[1:1] = sys.argv[1:]
suffixes = (sysconfig.get_config_var("EXT_SUFFIX"), ".abi3.so")
names, failures = set(), {}
for folder in map(pathlib.Path, sys.argv[1:]):
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        ours = path.suffix == ".py" and parts[0] in ("facedex", "facedex_functions")
        if ours or path.name.endswith(suffixes):
            name = ".".join((*parts[:-1], path.name.partition(".")[0]))
            names.add(name.removesuffix(".__init__"))
for name in sorted(names):
    try:
        importlib.import_module(name)
    except Exception as error:
        failures[name] = repr(error)
print(json.dumps([platform.machine(), sorted(names), failures]))
"""
# The products of codes, as galleries in memory are scanned: by ONNX Runtime, and by NumPy in
# functions that do not have it.
_MULTIPLY = """
import json, sys
sys.path[1:1] = sys.argv[1:]
import numpy as np
from facedex.gallery import onnx_graphs, products
drawn = np.random.default_rng(1)
heads = drawn.integers(0, 256, (3000, 128)).astype(np.uint8)
probes = drawn.integers(-127, 128, (128, 9)).astype(np.int8)
heads[:2], probes[:, 0], probes[:, 1] = np.array([[255], [0]]), 127, -127
expected = (heads.astype(np.int32) - 128) @ probes.astype(np.int32)
exact = [
    bool((made(heads, right) == expected[:, : right.shape[1]]).all())
    for made in (products.products, products._in_single_precision)
    for right in (probes, np.ascontiguousarray(probes[:, :1]))
]
print(json.dumps([onnx_graphs.installed(), exact]))
"""
# Python's own windows, which Pillow has an extension for; Lambda has none.
_NEEDS_TKINTER = {"PIL._imagingtk"}


@pytest.fixture(scope="session")
def python() -> ForeignPython:
    return foreign_python(DEFAULT)


@pytest.fixture(scope="session")
def emulated(
    python: ForeignPython, deployment: Deployment, tmp_path_factory: pytest.TempPathFactory
) -> Deployment:
    """Return the deployment with its packages for arm64; its databases are those of the other."""
    return replace(
        deployment,
        target=DEFAULT,
        layers=layers(DEFAULT, packs=(PACK,)),
        folder=tmp_path_factory.mktemp("arm64"),
        python=python.command,
        runtime=python.runtime,
        runs={},
    )


def test_every_module_of_the_layers_and_functions_is_imported(
    python: ForeignPython, tmp_path: Path
) -> None:
    folders = [path / "python" for path in layers(DEFAULT, packs=(PACK,)).values()]
    for name in ROWS:
        shutil.copytree(function(name), tmp_path, dirs_exist_ok=True)
    present = [str(folder) for folder in (*folders, tmp_path) if folder.is_dir()]
    done = subprocess.run(
        [*python.command, "-sS", "-c", _IMPORT_ALL, *present],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stderr
    machine, names, failures = json.loads(done.stdout)
    assert machine == "aarch64"
    handlers = {name.split(".")[1] for name in names if name.endswith(".handler")}
    assert handlers == set(ROWS)
    assert {"onnxruntime.capi.onnxruntime_pybind11_state", "av._core"} <= set(names)
    assert {name: why for name, why in failures.items() if name not in _NEEDS_TKINTER} == {}


def test_a_face_has_almost_the_vector_that_it_has_on_x86_64(
    deployment: Deployment, emulated: Deployment
) -> None:
    vectors = []
    for each in (deployment, emulated):
        answer = each.prove("index_faces", "collection").answer
        assert answer["statusCode"] == 200, answer["body"]
        ((text,),) = each.rows("index_faces", "SELECT vector::text FROM faces")
        vectors.append(np.array(json.loads(text), dtype=np.float64))
    one, other = vectors
    cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
    print(f"cosine of the vectors on x86_64 and arm64: {cosine:.5f}")
    assert cosine > 0.998  # 8-bit networks round differently; the first match is above 0.96


def test_galleries_are_scanned_exactly(python: ForeignPython) -> None:
    """Graviton2 has UDOT, by which ONNX Runtime multiplies bytes."""
    layers_of_arm64 = layers(DEFAULT, packs=(PACK,))
    folders = [str(layers_of_arm64[name] / "python") for name in ("code", "vision")]
    done = subprocess.run(
        [*python.command, "-sS", "-c", _MULTIPLY, *folders],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [True, [True] * 4]
