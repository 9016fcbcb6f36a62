"""AWS's service model of Rekognition, as botocore ships it, with our extensions added.

The file is read directly: importing botocore adds about 0.1 s to a cold start, and validation needs
nothing else of it. Shapes are the plain dicts of the file, described in
https://smithy.io/2.0/guides/model-translations/ and botocore's ``model.py``.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import orjson

from facedex.api import extensions

API_VERSION: Final = "2016-06-27"
Shape = Mapping[str, Any]


@cache
def service_model() -> Mapping[str, Any]:
    """Return the model: ``metadata``, ``operations`` and ``shapes``, extensions included.

    Raises:
        FileNotFoundError: if botocore is not installed or has no model of Rekognition.
    """
    package = find_spec("botocore")
    if package is None or package.origin is None:
        raise FileNotFoundError("botocore, which has Rekognition's service model, is missing.")
    folder = Path(package.origin).parent / "data" / "rekognition" / API_VERSION
    packed = folder / "service-2.json.gz"
    if packed.exists():
        document = gzip.decompress(packed.read_bytes())
    else:
        document = (folder / "service-2.json").read_bytes()
    model: dict[str, Any] = orjson.loads(document)
    return {
        **model,
        "operations": {**model["operations"], **extensions.OPERATIONS},
        "shapes": {**model["shapes"], **extensions.SHAPES},
    }


def shape(name: str) -> Shape:
    """Return the shape of that name."""
    found: Shape = service_model()["shapes"][name]
    return found


def input_shape(operation: str) -> str:
    """Return the name of the operation's request shape."""
    return str(service_model()["operations"][operation]["input"]["shape"])


def output_shape(operation: str) -> str:
    """Return the name of the operation's response shape."""
    return str(service_model()["operations"][operation]["output"]["shape"])
