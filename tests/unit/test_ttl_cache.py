from __future__ import annotations

from facedex.store.ttl_cache import TTLCache


class Clock:
    """A clock that tests advance."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Readings:
    """A source that returns a new value at each read."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> int:
        self.count += 1
        return self.count


def test_an_expired_value_is_read_again() -> None:
    clock, read = Clock(), Readings()
    recent: TTLCache[int] = TTLCache(seconds=2.0, limit=9, clock=clock)
    assert [recent.find("a", read), recent.find("a", read)] == [1, 1]
    clock.now += 1.9
    assert recent.find("a", read) == 1
    clock.now += 0.2
    assert recent.find("a", read) == 2


def test_a_clock_set_back_does_not_extend_the_lifetime_of_a_value() -> None:
    clock, read = Clock(), Readings()
    recent: TTLCache[int] = TTLCache(seconds=2.0, limit=9, clock=clock)
    recent.find("a", read)
    clock.now -= 3600
    assert recent.find("a", read) == 2


def test_a_forgotten_value_is_read_again() -> None:
    read = Readings()
    recent: TTLCache[int] = TTLCache(seconds=2.0, limit=9)
    recent.find("a", read)
    recent.forget("a")
    recent.forget("b")
    assert recent.find("a", read) == 2


def test_missing_values_are_not_cached() -> None:
    recent: TTLCache[int] = TTLCache(seconds=2.0, limit=9)
    assert recent.find("a", lambda: None) is None
    assert recent.find("a", lambda: 7) == 7


def test_the_cache_holds_at_most_its_limit() -> None:
    read = Readings()
    recent: TTLCache[int] = TTLCache(seconds=2.0, limit=2)
    for name in ("a", "b", "c"):
        recent.find(name, read)
    assert [recent.find(name, read) for name in ("b", "c")] == [2, 3]
    assert recent.find("a", read) == 4
