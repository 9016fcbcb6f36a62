"""The number of threads with which an invocation processes its image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Barrier, Thread

import pytest

from facedex import invocation
from facedex.runtime import model_packs
from facedex.settings import settings
from tests.integration.streaming import Configure


@pytest.fixture(autouse=True)
def _two_threads(pack_directory: Path, configure: Configure) -> Iterator[None]:
    configure(DATABASE_URL="none", AUTH="none", MODELS=pack_directory.parent, THREADS=2)
    model_packs._shelf.cache_clear()
    yield
    model_packs._shelf.cache_clear()
    settings.cache_clear()


def threads() -> int:
    pack = model_packs.pack()
    assert pack.embedder.networks[0].threads == pack.detector.network.threads
    return pack.detector.network.threads


def test_an_invocation_alone_has_the_threads_of_the_setting() -> None:
    assert threads() == 2
    with invocation.under(None):
        assert threads() == 2


def test_concurrent_invocations_have_one_thread_each() -> None:
    begun, over = Barrier(2), Barrier(2)

    def other() -> None:
        with invocation.under(None):
            begun.wait(60)
            over.wait(60)

    thread = Thread(target=other)
    thread.start()
    with invocation.under(None):
        begun.wait(60)
        assert threads() == 1
        over.wait(60)
        thread.join()
        assert threads() == 2


def test_an_invocation_that_failed_is_not_counted_any_more() -> None:
    with pytest.raises(ZeroDivisionError), invocation.under(None):
        _ = 1 / 0
    assert invocation.under_way() == 0
