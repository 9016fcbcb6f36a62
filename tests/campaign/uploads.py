"""Photos that are uploaded to an S3 which outlives the server: each is indexed exactly once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from tests.campaign.tally import Tally
from tests.conftest import client_of
from tests.e2e.restarting import Machine
from tests.e2e.uploading import named_faces, take_letters, wait_until

PATIENCE = 240.0  # maximum seconds after the last upload until its face is stored
_COLLECTION = "uploaded"
_INTERVAL = 0.4  # seconds between uploads
_REDELIVERY = 6  # seconds until SQS delivers a killed server's messages again


class Uploads:
    """A client that uploads photos, some of them twice, and knows which were accepted."""

    def __init__(
        self, machine: Machine, storage: str, pictures: Sequence[bytes], tally: Tally
    ) -> None:
        self._machine, self._storage, self._tally = machine, storage, tally
        self._pictures = pictures
        self._s3 = client_of(storage, "s3")
        self._sqs = client_of(storage, "sqs")
        self._numbers = count()
        self._keys: list[str] = []
        machine.client("rekognition").create_collection(CollectionId=_COLLECTION)
        wait_until(self._exists)
        self.shorten_redelivery()

    def _exists(self) -> bool:
        return "uploads" in [b["Name"] for b in self._s3.list_buckets()["Buckets"]]

    def shorten_redelivery(self) -> None:
        """Shorten the time until a killed server's messages are delivered again.

        A server sets it to a minute when it starts.
        """
        url = self._sqs.get_queue_url(QueueName="facedex-uploads")["QueueUrl"]
        attributes = {"VisibilityTimeout": str(_REDELIVERY)}
        self._sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)

    def step(self) -> None:
        number = next(self._numbers)
        key = f"photo-{number}"
        body = self._pictures[number % len(self._pictures)] + str(number).encode()
        self._tally.attempt()
        for _ in range(2 if number % 7 == 0 else 1):
            self._s3.put_object(Bucket="uploads", Key=f"{_COLLECTION}/{key}.jpg", Body=body)
        self._tally.answer()
        self._keys.append(key)
        time.sleep(_INTERVAL)

    def finish(self) -> None:
        """Check that each accepted photo has exactly one face."""
        expected = dict.fromkeys(self._keys, 1)
        end = time.monotonic() + PATIENCE
        found: Counter[str] = Counter()
        while time.monotonic() < end:
            with suppress(BotoCoreError, ClientError):
                found = named_faces(self._machine.server, _COLLECTION)
                if len(found) >= len(expected):
                    break
            time.sleep(0.5)
        self._tally.check(len(expected))
        self._tally.note("uploads", len(expected))
        letters = self._letters()
        if lost := sorted(expected.keys() - found.keys()):
            self._tally.lose(f"The uploads {lost} were not indexed; dead letters: {letters}")
        if twice := [key for key, number in found.items() if number > 1]:
            self._tally.lose(f"The uploads {twice} were indexed more than once.")

    def _letters(self) -> Any:
        return take_letters(self._machine.server, endpoint_url=self._storage)
