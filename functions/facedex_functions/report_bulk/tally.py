"""The lines of a report, counted while they are written."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from facedex.api.photo_results import Result
from facedex.aws.map_results import ItemResult

_COLUMNS: Final = (
    "photo",
    "result",
    "faces",
    "external_image_id",
    "not_indexed",
    "message",
    "earlier_run",
)


class Tally:
    """The counts of an execution.

    Attributes:
        photos: number of lines.
    """

    def __init__(self) -> None:
        self.photos = 0
        self._results: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._faces = 0
        self._earlier = 0

    def write(self, results: Iterable[ItemResult]) -> Iterator[str]:
        """Yield the lines of the report."""
        yield _row(_COLUMNS)
        for result in results:
            line = _line(result)
            self._count(line)
            reasons = sorted(line.get("NotIndexed", {}).items())
            yield _row(
                (
                    line["Photo"],
                    line["Result"],
                    line.get("Faces", 0),
                    line.get("ExternalImageId", ""),
                    " ".join(f"{name}:{count}" for name, count in reasons),
                    line.get("Message", ""),
                    "yes" if line.get("Earlier") else "",
                )
            )

    def summary(self) -> dict[str, Any]:
        """Return the counts of the lines that were written."""
        return {
            "Photos": self.photos,
            "Results": dict(self._results.most_common()),
            "IndexedEarlier": self._earlier,
            "FacesIndexedNow": self._faces,
            "FacesNotIndexed": dict(self._reasons.most_common()),
        }

    def _count(self, line: Mapping[str, Any]) -> None:
        self.photos += 1
        self._results[line["Result"]] += 1
        self._reasons.update(line.get("NotIndexed", {}))
        if line.get("Earlier"):
            self._earlier += 1
        else:
            self._faces += line.get("Faces", 0)


def _line(result: ItemResult) -> Mapping[str, Any]:
    """Return the line of a photo, which the function that indexes photos has made if it could."""
    if result.output is not None:
        return result.output
    given = result.given
    # Step Functions may leave an input out.
    line = {"Photo": f"s3://{given['Order']['Bucket']}/{given['Key']}" if given else ""}
    if result.kind == "PENDING":
        return {**line, "Result": Result.NOT_STARTED}
    message = ": ".join(part for part in (result.error, result.message) if part)
    return {**line, "Result": Result.FAILED, "Message": " ".join(message.split())}


def _row(values: Iterable[object]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerow(values)
    return text.getvalue()
