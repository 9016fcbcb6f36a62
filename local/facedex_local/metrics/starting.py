"""The start of the metrics with the server."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Final

from facedex_local import secret
from facedex_local.http.listener import Application
from facedex_local.metrics import files
from facedex_local.metrics.scraping import Metrics, Scraping, SignedScraping

TOKEN: Final = "FACEDEX_METRICS_TOKEN"  # noqa: S105 - the name of a setting
TOKEN_FILE: Final = "metrics.token"  # noqa: S105 - the name of a file
_SHOWN: Final = "FACEDEX_METRICS"

_logger: Final = logging.getLogger("facedex")


class Scraped:
    """Puts the metrics in front of applications, if the server has metrics."""

    def __init__(self, metrics: Metrics | None) -> None:
        self._metrics = metrics

    def __call__(self, application: Application) -> Application:
        """Return an application that also answers scrapes."""
        return Scraping(application, self._metrics) if self._metrics else application

    def behind(self, application: Application) -> Application:
        """Return an application, behind the check of signatures, that answers signed scrapes."""
        return SignedScraping(application, self._metrics) if self._metrics else application

    def count(self) -> None:
        """Count in this process from now on; the settings must be known."""
        if self._metrics:
            self._metrics.start()


def start_metrics(wanted: bool, directory: Path, *, guarded: bool) -> Scraped:
    """Prepare the metrics of a server.

    Args:
        wanted: whether the server has metrics.
        directory: the data directory.
        guarded: whether requests need access keys; a scrape then needs a token.

    Raises:
        DirectoryUnusable: if the file with the token cannot be written.
    """
    os.environ.pop(files.SETTING, None)
    os.environ[_SHOWN] = str(wanted).lower()
    if not wanted:
        return Scraped(None)
    token = os.environ.get(TOKEN, "")
    if guarded and not token:
        token = secret.file(directory, TOKEN_FILE, setting=TOKEN).read_text().strip()
    try:
        files.prepare(directory)
    except OSError as error:
        _logger.warning("There are no metrics: %s", error)
        return Scraped(None)
    return Scraped(Metrics(token))
