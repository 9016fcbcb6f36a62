from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from facedex.vision import sessions
from facedex.vision.sessions import Network
from facedex.vision.vision_errors import PackMissing

PREFIX = "session.intra_op."


@pytest.mark.parametrize(
    ("version", "spins"), [("1.22.0", "0"), ("1.26.1", "0"), ("1.27.0", "1"), ("2.0.0", "1")]
)
def test_threads_spin_only_where_onnx_runtime_can_limit_it(version: str, spins: str) -> None:
    options = onnxruntime.SessionOptions()
    sessions.let_spin(options, version)
    assert options.get_session_config_entry(f"{PREFIX}allow_spinning") == spins
    assert options.get_session_config_entry(f"{PREFIX}spin_duration_us") == "10"


def test_threads_do_not_change_what_a_network_returns(pack_directory: Path) -> None:
    rng = np.random.default_rng(1)
    for name, shape in (("detector", (1, 64, 96, 3)), ("sface", (3, 112, 112, 3))):
        batch = rng.integers(0, 256, shape).astype(np.uint8)
        one, two = (Network(pack_directory / f"{name}.onnx", threads=n).run(batch) for n in (1, 2))
        for alone, together in zip(one, two, strict=True):
            np.testing.assert_array_equal(alone, together)


def test_a_network_of_a_pack_that_was_pulled_again_is_not_mixed_with_those_before(
    pack_directory: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "models" / "sface"
    shutil.copytree(pack_directory, folder)
    detector, embedder = (Network(folder / f"{n}.onnx", threads=1) for n in ("detector", "sface"))
    detector.open()
    # The next version, whose networks differ.
    content = (folder / "detector.onnx").read_bytes()
    (folder / "sface.onnx").write_bytes(content)
    with pytest.raises(PackMissing, match=r"sface\.onnx .* was altered"):
        embedder.open()
    sums = (folder / "SHA256SUMS").read_text().splitlines()
    kept = [line for line in sums if not line.endswith("sface.onnx")]
    digest = hashlib.sha256(content).hexdigest()
    (folder / "SHA256SUMS").write_text("\n".join([*kept, f"{digest}  sface.onnx"]))
    with pytest.raises(PackMissing, match=r"pack sface was pulled again .*; restart Facedex"):
        embedder.open()
    Network(folder / "sface.onnx", threads=1).open()
