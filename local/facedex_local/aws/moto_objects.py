"""Let moto's objects be read to the end while others of their name take their place.

As it is, moto closes an object's bytes as soon as another object is put under its name, though a
request that has begun with it may still need them: the notification of its own upload is made of
them. And two that read one object at once move each other's place in it, where one of them makes
its ETag. Uploads that come twice at the same moment do both.
"""

from __future__ import annotations

from typing import Any, Final

_DONE: Final = "_facedex_keeps"


def keep_objects() -> None:
    """Have moto's objects keep their bytes for as long as anybody has them, and lock all reads."""
    from moto.s3 import models

    objects: Any = models.FakeKey
    if hasattr(objects, _DONE):
        return  # a lock that is taken once must not be taken twice
    dispose, etag = objects.dispose, objects.etag.fget

    def dispose_later(thing: Any, garbage: bool = False) -> None:
        if garbage:
            dispose(thing, garbage)  # the last who had it is gone
        else:
            # So that moto does not complain, then, that nobody has disposed of it.
            thing.disposed = True
            if thing.multipart is not None:
                thing.multipart.dispose()

    def locked_etag(thing: Any) -> str:
        if thing._etag is None:
            with thing.lock:
                return str(etag(thing))
        return str(etag(thing))

    objects.dispose = dispose_later
    objects.etag = property(locked_etag)
    setattr(objects, _DONE, True)
