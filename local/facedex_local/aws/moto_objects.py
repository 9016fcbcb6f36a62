"""A change to moto's S3 objects that makes concurrent uploads to one key safe.

Unchanged, moto closes an object's file as soon as another object replaces it, although a running
request may still need it, for example for the notification of the object's own upload. Two threads
that read one object, one of them for its ETag, also change each other's position in the file.
Two simultaneous uploads to one key cause both errors.
"""

from __future__ import annotations

from typing import Any, Final

_DONE: Final = "_facedex_keeps"


def keep_objects() -> None:
    """Change moto's objects to keep their files while they are referenced, and to lock reads."""
    from moto.s3 import models

    objects: Any = models.FakeKey
    if hasattr(objects, _DONE):
        return  # already changed: a second wrapper would try to acquire the lock twice
    dispose, etag = objects.dispose, objects.etag.fget

    def dispose_later(thing: Any, garbage: bool = False) -> None:
        if garbage:
            dispose(thing, garbage)  # no references remain
        else:
            # Prevents moto's warning about an object that was never disposed of.
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
