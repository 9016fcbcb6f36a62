"""AWS's documentation, which the service model has as HTML, as short plain text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

# Sentences about Amazon's own service and tools, which mislead readers of this one.
_FOREIGN: Final = re.compile(
    r"AWS CLI|AWS SDK|Developer Guide|requires permissions?|require permission|DetectCustomLabels"
    r"|version [13](\.0)? of the face|Tagging AWS Resources|Service availability notice"
    r"|feature availability changes|This change does not impact|label detection|detect(ing)? labels"
    r"|use the same name for a stream processor",
    re.IGNORECASE,
)
# Words that are about more than this service has.
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
    """The sentences of a documentation text that hold for this service, without mark-up."""
    parser = _Text()
    parser.feed(html)
    parser.close()
    text = " ".join("".join(parser.parts).split())
    for wider, ours in _WIDER.items():
        text = text.replace(wider, ours)
    return [sentence for sentence in _SENTENCE_END.split(text) if not _FOREIGN.search(sentence)]


def shorten(html: str, longest: int) -> str:
    """As many whole sentences as fit into so many characters, and at least the first one."""
    text = ""
    for sentence in sentences(html):
        longer = f"{text} {sentence}".strip()
        if text and len(longer) > longest:
            break
        text = longer
    return text
