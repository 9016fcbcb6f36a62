"""The complete endpoint in this process, for stream workers, with simulated faults of AWS."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from facedex.runtime import services
from facedex.settings import settings
from facedex.store import collections, stream_processors, stream_runs
from facedex.store.database import Database
from facedex.store.stream_processors import Definition
from facedex.store.stream_runs import RunLease
from facedex.workflows import live_video
from facedex_functions.run_stream_processor import handler
from facedex_local.aws.kinesis_video.endpoint import KinesisVideo
from facedex_local.aws.kinesis_video.streams import Streams
from facedex_local.aws.moto_app import Moto
from facedex_local.http.exchange import Exchange
from facedex_local.http.gateway import Answer, Context
from facedex_local.http.listener import Application, Listener
from facedex_local.http.server import Server
from tests.conftest import client_of
from tests.e2e.streaming import Scene
from tests.unit.asking import answer_of

Configure = Callable[..., None]  # settings of the service, without their prefix
PATIENCE = 60.0  # seconds
LEASE = 60.0  # seconds; longer than a busy machine stops a process
SECONDS = 3  # of the film of the fixture "film"
_JSON = [("Content-Type", "application/x-amz-json-1.1")]
_THROTTLED = "ProvisionedThroughputExceededException"


@dataclass
class Faults:
    """A proxy in front of moto that simulates faults of AWS.

    Attributes:
        throttle: number of PutRecords requests to reject completely.
        refuse: number of PutRecords requests of which every other record is rejected.
        media: the response of GetMedia, instead of the real one.
        puts: number of PutRecords requests received.
        url: its URL, after it has started to listen.
    """

    application: Application
    throttle: int = 0
    refuse: int = 0
    media: bytes = b""
    puts: int = 0
    url: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    async def __call__(self, exchange: Exchange) -> None:
        environ = exchange.environ
        if environ["PATH_INFO"] == "/getMedia" and self.media:
            await exchange.answer(Answer(200, [("Content-Type", "video/webm")], self.media))
            return
        if environ.get("HTTP_X_AMZ_TARGET") != "Kinesis_20131202.PutRecords":
            await self.application(exchange)
            return
        with self._lock:
            self.puts += 1
            throttled, partly = self.throttle > 0, self.refuse > 0
            self.throttle -= throttled
            self.refuse -= partly and not throttled
        if throttled:
            said = json.dumps({"__type": _THROTTLED, "message": "Slow down."}).encode()
            await exchange.answer(Answer(400, _JSON, said))
        elif partly:
            asked = json.loads(await exchange.read(1 << 24) or b"")
            answers = await exchange.run(self._take_some, environ, asked)
            await exchange.answer(Answer(200, _JSON, json.dumps(answers).encode()))
        else:
            await self.application(exchange)

    def recover(self) -> int:
        """Reject no more requests; return the number of those that were received before."""
        with self._lock:
            self.throttle = self.refuse = 0
            return self.puts

    def _take_some(self, environ: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
        kept = {**asked, "Records": asked["Records"][1::2]}
        taken: list[Any] = []
        if kept["Records"]:
            body = json.dumps(kept).encode()
            inner = {**environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
            taken = json.loads(answer_of(self.application, inner).body)["Records"]
        refused = {"ErrorCode": _THROTTLED, "ErrorMessage": "Slow down."}
        answers = [
            taken[place // 2] if place % 2 else refused for place in range(len(asked["Records"]))
        ]
        return {"FailedRecordCount": len(answers) - len(taken), "Records": answers}


class Stage:
    """The endpoint without workers and sweeps, which the tests run.

    Attributes:
        ahead: seconds by which the clock of the video streams is ahead.
    """

    def __init__(self) -> None:
        self.ahead = 0.0
        moto = Moto()
        self.faults = Faults(
            KinesisVideo(
                moto, Streams(moto, most_bytes=64 << 20, clock=lambda: time.time() + self.ahead)
            )
        )
        server = Server(elsewhere=self.faults, health=lambda: {"status": "ok"}, log=False)
        self._listener = Listener(server, host="127.0.0.1", port=0, threads=8)
        self._listener.start()
        self.url = self._listener.url

    def close(self) -> None:
        self._listener.stop()

    def client(self, service: str, **options: Any) -> Any:
        return client_of(self.url, service, **options)

    def key(self, name: str) -> int:
        with services.database().reading() as connection:
            return stream_processors.find(connection, name).key

    def work(self, name: str) -> Future[None]:
        """Run a worker in a thread; the future is done when the worker has ended."""
        body = json.dumps({"StreamProcessor": self.key(name)})
        event = {"Records": [{"messageId": "m", "eventSource": "aws:sqs", "body": body}]}
        done: Future[None] = Future()

        def run() -> None:
            try:
                answer = handler.lambda_handler(event, Context("worker", 900, 3008, "request"))
                assert answer == {"batchItemFailures": []}
                done.set_result(None)
            except BaseException as error:
                done.set_exception(error)

        threading.Thread(target=run, name=f"worker of {name}", daemon=True).start()
        return done

    def sweep(self) -> None:
        live_video.sweep(services.database(), settings())


def begin_run(database: Database, seconds: float) -> RunLease:
    """Start a processor named "door", and claim its lease for a number of seconds."""
    with database.transaction() as connection:
        collection = collections.create(connection, "staff", "1.2")
        wanted = Definition("door", "", "", "", collection.key, "staff", 80.0, None)
        processor = stream_processors.create(connection, wanted, limit=1)
        stream_processors.start(connection, processor, collection)
        lease = stream_runs.claim_lease(connection, processor.key, seconds)
    assert lease is not None
    return lease


def end(scene: Scene) -> None:
    """Stop the processor, and wait until its worker has released the lease."""
    described = scene.describe()["Status"]
    if described not in ("STOPPED", "FAILED"):
        scene.rekognition.stop_stream_processor(Name=scene.name)
        scene.wait("STOPPED", PATIENCE)


def places(records: list[Any]) -> list[tuple[str, float]]:
    found = [record["InputInformation"]["KinesisVideo"] for record in records]
    return [(each["FragmentNumber"], each["FrameOffsetInSeconds"]) for each in found]


def frames(count: int) -> Callable[[list[Any]], bool]:
    """Return a condition: records of that many different frames have arrived."""
    return lambda records: len(set(places(records))) >= count


def messages(scene: Scene) -> int:
    """Receive the messages for workers since the last call; return their number."""
    sqs = scene.server.client("sqs")
    url = settings().stream_queue
    received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    for message in received:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return len(received)
