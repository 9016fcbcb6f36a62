"""CSV files with a heading, as spreadsheets save them."""

from __future__ import annotations

import csv
from pathlib import Path

from facedex_cli.evaluation.evaluation_errors import EvaluationError


def read(path: Path) -> tuple[list[tuple[int, dict[str, str | None]]], dict[str, str]]:
    """Read a CSV file, with commas or, as spreadsheets save it in many countries, semicolons.

    Returns:
        The rows, each with its line in the file, and for each column's name in lower case its name
        in the rows. Without rows there are no columns. A short row has None in its last columns.

    Raises:
        EvaluationError: if the file is not a readable CSV file in UTF-8.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            heading = file.readline()
            file.seek(0)
            reader = csv.DictReader(file, delimiter=";" if "," not in heading else ",")
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise EvaluationError(f"{path} is not a readable CSV file: {error}.") from error
    return rows, {name.strip().lower(): name for name in (rows[0][1] if rows else {}) if name}
