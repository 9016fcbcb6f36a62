"""The media types of requests and responses."""

from __future__ import annotations

from typing import Final

# AWS JSON 1.1, for POST /: https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html
JSON_1_1: Final = "application/x-amz-json-1.1"
# The REST routes.
JSON: Final = "application/json"
# Media types of a photo that is sent as the body, instead of JSON.
PHOTO_TYPES: Final = ("image/jpeg", "image/png", "application/octet-stream")
