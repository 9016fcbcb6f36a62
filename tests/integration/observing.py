"""A server that is observed: its metrics are scraped, and its traces are received."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import Server
from tests.e2e.keys import Key, client

PATIENCE = 60.0  # seconds; a loaded machine is slow


@dataclass
class Scrape:
    """The samples of a scrape, by name and labels."""

    samples: Mapping[tuple[str, frozenset[tuple[str, str]]], float]

    def __call__(self, name: str, **labels: str) -> float:
        """Return the sum of the samples of a metric that have these labels."""
        return sum(
            value
            for (found, own), value in self.samples.items()
            if found == f"facedex_{name}" and labels.items() <= dict(own).items()
        )

    def growth(self, earlier: Scrape, name: str) -> Counter[tuple[str, ...]]:
        """Return by how much each series of a metric has grown, by its labels' values.

        The values are in the alphabetical order of the labels' names.
        """
        grown: Counter[tuple[str, ...]] = Counter()
        for (found, labels), value in self.samples.items():
            before = earlier.samples.get((found, labels), 0.0)
            if found == f"facedex_{name}" and value != before:
                grown[tuple(text for _, text in sorted(labels))] = round(value - before)
        return grown


def parse(text: str) -> Scrape:
    """Read Prometheus' text format with prometheus-client's own parser."""
    samples = {}
    for family in text_string_to_metric_families(text):
        for each in family.samples:
            key = (each.name, frozenset(each.labels.items()))
            assert key not in samples, f"{key} occurs twice"
            samples[key] = each.value
    return Scrape(samples)


class Receiver:
    """A receiver of traces by OTLP over HTTP.

    Attributes:
        url: its address.
        spans: the spans received so far.
        resources: the attributes of the processes that sent them.
    """

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.resources: list[dict[str, str]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.path == "/v1/traces"
                receiver.receive(body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def receive(self, body: bytes) -> None:
        """Keep the spans of a request, which readers see all at once."""
        spans: list[Span] = []
        for each in ExportTraceServiceRequest.FromString(body).resource_spans:
            pairs = each.resource.attributes
            self.resources.append({pair.key: pair.value.string_value for pair in pairs})
            for scope in each.scope_spans:
                spans += scope.spans
        self.spans += spans

    def trace(self, trace_id: str, until: Callable[[list[Span]], bool]) -> list[Span]:
        """Return the spans of a trace, once they are what is expected."""
        end = time.monotonic() + PATIENCE
        while True:
            found = [span for span in self.spans if span.trace_id.hex() == trace_id]
            if until(found):
                return found
            assert time.monotonic() < end, [span.name for span in found]
            time.sleep(0.05)

    def close(self) -> None:
        """Stop receiving."""
        self._server.shutdown()
        self._server.server_close()


@dataclass
class Observed:
    """A server with access keys, two processes, metrics and traces."""

    server: Server
    key: Key
    receiver: Receiver
    token: str

    def client(self, service: str = "rekognition") -> Any:
        """Return a client, each with connections of its own."""
        return client(self.server, self.key, service)

    def text(self, *, patience: float = PATIENCE, **headers: str) -> str:
        """Return the metrics as text."""
        # On a connection of its own: another process may answer each scrape.
        answer = requests.get(
            f"{self.server.url}/metrics",
            headers={"Authorization": f"Bearer {self.token}", **headers},
            timeout=patience,
        )
        assert answer.status_code == 200, answer.text
        return answer.text

    def scrape(self, *, patience: float = PATIENCE) -> Scrape:
        """Return the metrics."""
        return parse(self.text(patience=patience))


@contextmanager
def traced(client: Any, trace_id: str) -> Iterator[None]:
    """Send a client's requests in a trace, as an application with OpenTelemetry does."""

    def add_header(request: Any, **_: Any) -> None:
        request.headers["traceparent"] = f"00-{trace_id}-00f067aa0ba902b7-01"

    client.meta.events.register("before-send", add_header)
    yield
    client.meta.events.unregister("before-send", add_header)


def token_file(server: Server) -> Path:
    """Return the file with the token of scrapes."""
    return server.directory / "metrics.token"
