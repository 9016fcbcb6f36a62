"""Conversion of the service model's HTML documentation to short plain text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

# Sentences about Amazon's own service and tools, which do not apply to this service.
_FOREIGN: Final = re.compile(
    r"AWS CLI|AWS SDK|Developer Guide|requires permissions?|require permission|DetectCustomLabels"
    r"|version [13](\.0)? of the face|Tagging AWS Resources|Service availability notice"
    r"|feature availability changes|This change does not impact|label detection|detect(ing)? labels"
    r"|use the same name for a stream processor",
    re.IGNORECASE,
)
# Phrases that cover more than this service has, with their replacements.
_WIDER: Final = {
    " in an AWS Region": "",
    "an Amazon Rekognition collection, stream processor, or Custom Labels model": (
        "a collection or stream processor"
    ),
    "the model, collection, or stream processor": "the collection or stream processor",
    " or to detect labels": "",
    " and regions of interest and delete certain parameters": "",
    "(Optional) ": "",
}
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+(?=[A-Z(`])")


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)

    def handle_starttag(self, tag: str, _attributes: object) -> None:
        if tag in ("p", "li", "ul", "note"):
            self.parts.append(" ")


def sentences(html: str) -> list[str]:
    """Return the sentences of a documentation text that apply to this service, without markup."""
    parser = _Text()
    parser.feed(html)
    parser.close()
    text = " ".join("".join(parser.parts).split())
    for wider, ours in _WIDER.items():
        text = text.replace(wider, ours)
    return [sentence for sentence in _SENTENCE_END.split(text) if not _FOREIGN.search(sentence)]


def shorten(html: str, longest: int) -> str:
    """Return the first sentences of a documentation text, up to a length.

    Args:
        html: the documentation text.
        longest: maximum number of characters; the first sentence is returned in any case.
    """
    text = ""
    for sentence in sentences(html):
        longer = f"{text} {sentence}".strip()
        if text and len(longer) > longest:
            break
        text = longer
    return text
