"""Gauges that are read at each scrape, once for the server: database, queues, processes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prometheus_client.core import GaugeMetricFamily

from facedex import __version__
from facedex.observability import metrics
from facedex.observability.definitions import Metric
from facedex_local.metrics import processes, waiting

_PATIENCE: Final = 2000  # milliseconds for a statement


def gauge(metric: Metric, *samples: tuple[tuple[str, ...], float]) -> GaugeMetricFamily:
    """Return a gauge with the values of its labels."""
    family = GaugeMetricFamily(metric.full_name, metric.help, labels=metric.labels)
    for labels, value in samples:
        family.add_metric(labels, value)
    return family


class Build:
    """The version of the server."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Return 1, with the version."""
        yield gauge(metrics.BUILD, ((__version__,), 1))


class Processes:
    """The processes of the server and their memory."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Return the number and the memory of the processes, by role."""
        counts: dict[str, int] = {}
        memory: dict[str, int] = {}
        for each in processes.find():
            counts[each.role] = counts.get(each.role, 0) + 1
            memory[each.role] = memory.get(each.role, 0) + each.memory
        yield gauge(metrics.PROCESSES, *(((role,), each) for role, each in counts.items()))
        yield gauge(metrics.PROCESS_MEMORY, *(((role,), each) for role, each in memory.items()))


class Queues:
    """The queues of uploads, video and streams."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Return the messages of each queue, and the age of the oldest one if it is known."""
        found = waiting.find()
        yield gauge(
            metrics.QUEUE_MESSAGES,
            *(
                ((name, state), number)
                for name, queue in found.items()
                for state, number in queue.messages.items()
            ),
        )
        yield gauge(
            metrics.QUEUE_AGE,
            *(((name,), queue.age) for name, queue in found.items() if queue.age is not None),
        )


class Database:
    """The work in the database."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Return the numbers of jobs, tasks, streams and erasures."""
        from facedex.runtime import services
        from facedex.store import erasing, workload
        from facedex.store.store_errors import DatabaseUnavailable

        try:
            with services.database().reading() as connection, connection.transaction():
                # A table that is being rewritten is locked for longer than Prometheus waits.
                connection.execute(f"SET LOCAL statement_timeout = {_PATIENCE}")
                now = workload.read(connection)
                due = [table.name for table in erasing.find_pending(connection)]
                age = workload.erasure_age(connection, due)
        except DatabaseUnavailable:
            yield gauge(metrics.DATABASE_UP, ((), 0))
            return
        yield gauge(metrics.DATABASE_UP, ((), 1))
        yield gauge(metrics.VIDEO_JOBS, *(((each,), n) for each, n in now.jobs.items()))
        yield gauge(metrics.VIDEO_TASKS, *(((each,), n) for each, n in now.tasks.items()))
        yield gauge(metrics.VIDEO_STALLED, ((), now.stalled))
        yield gauge(
            metrics.STREAM_PROCESSORS, *(((each,), n) for each, n in now.processors.items())
        )
        yield gauge(metrics.STREAM_LAG, ((), now.lag))
        yield gauge(metrics.ERASURES_DUE, ((), len(due)))
        yield gauge(metrics.ERASURE_AGE, ((), age))
        yield gauge(metrics.DELETIONS_DUE, ((), now.deletions))
