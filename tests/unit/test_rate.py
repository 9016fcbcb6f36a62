"""The rate limit is a token bucket that processes share."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest

from facedex.api.errors import (
    ProvisionedThroughputExceededException,
    ServiceError,
    ThrottlingException,
)
from facedex.runtime.rate import RateLimit, prepare
from facedex.setting_reader import SettingError
from facedex.settings import Settings


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "rate"
    prepare(file)
    return file


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limit(file: Path, clock: Clock) -> Iterator[RateLimit]:
    limit = RateLimit(5, file, clock=clock)
    yield limit
    limit.close()


def take(limit: RateLimit, count: int) -> Counter[type[ServiceError] | None]:
    """Take tokens; return how often each outcome occurred."""
    outcomes: Counter[type[ServiceError] | None] = Counter()
    for _ in range(count):
        try:
            limit.take()
            outcomes[None] += 1
        except ServiceError as error:
            outcomes[type(error)] += 1
    return outcomes


def test_a_burst_of_one_second_is_answered_and_then_the_rate(
    limit: RateLimit, clock: Clock
) -> None:
    assert take(limit, 5) == {None: 5}
    assert take(limit, 5) == {ProvisionedThroughputExceededException: 5}
    for _ in range(20):
        clock.now += 0.2
        assert take(limit, 1) == {None: 1}
        assert take(limit, 1)[None] == 0
    clock.now += 3600
    assert take(limit, 6)[None] == 5  # no more than the burst is saved up


def test_twice_the_rate_is_a_sudden_increase(limit: RateLimit, clock: Clock) -> None:
    assert take(limit, 20) == {
        None: 5,
        ProvisionedThroughputExceededException: 5,
        ThrottlingException: 10,
    }
    clock.now += 1
    assert take(limit, 11)[ThrottlingException] == 1


def test_refused_requests_take_no_token(limit: RateLimit, clock: Clock) -> None:
    take(limit, 1000)
    clock.now += 1
    assert take(limit, 5) == {None: 5}


def test_a_rate_below_one_answers_one_request_at_a_time(file: Path, clock: Clock) -> None:
    limit = RateLimit(0.5, file, clock=clock)
    assert take(limit, 2)[None] == 1
    clock.now += 1.9
    assert take(limit, 1)[None] == 0
    clock.now += 0.2
    assert take(limit, 1)[None] == 1
    limit.close()


_PROCESS = """
import sys
from pathlib import Path
from facedex.api.errors import ServiceError
from facedex.runtime.rate import RateLimit
limit, taken = RateLimit(50, Path(sys.argv[1])), 0
for _ in range(20000):
    try:
        limit.take()
        taken += 1
    except ServiceError:
        pass
print(taken)
"""


def test_processes_share_the_rate(file: Path) -> None:
    began = monotonic()
    processes = [
        subprocess.Popen([sys.executable, "-c", _PROCESS, file], stdout=subprocess.PIPE)
        for _ in range(3)
    ]
    taken = [int(process.communicate()[0]) for process in processes]
    assert 50 <= sum(taken) <= 50 + 50 * (monotonic() - began)


@pytest.mark.parametrize("value", ["0", "-1", "many", "nan", "inf"])
def test_a_rate_that_is_no_positive_number_is_refused(value: str) -> None:
    values = {"FACEDEX_DATABASE_URL": "x", "FACEDEX_MODELS": "x", "FACEDEX_AUTH": "none"}
    with pytest.raises(SettingError, match="FACEDEX_RATE"):
        Settings.from_environment({**values, "FACEDEX_RATE": value})
    assert Settings.from_environment(values).rate is None
    assert Settings.from_environment({**values, "FACEDEX_RATE": "2.5"}).rate == 2.5
