"""A change to moto that frees the memory of what its clients have deleted or replaced.

Unchanged, moto keeps every object, message and record for ever in a list for its dashboard, which
this server does not have: memory grows with each upload, and with it the number of open files. An
object that was uploaded in parts is stored twice, as a whole and as its parts.
"""

from __future__ import annotations

from functools import wraps
from typing import Any


def release_instances() -> None:
    """Change moto to list no instances of its models, not even those made before."""
    from moto.core import common_models
    from moto.core.model_instances import reset_model_data

    model: Any = common_models.BaseModel

    def create(cls: Any, *_arguments: Any, **_named: Any) -> Any:
        return super(model, cls).__new__(cls)

    model.__new__ = create
    reset_model_data()


def release_parts() -> None:
    """Change moto to keep only the sizes of an object's parts when the upload is complete."""
    from moto.s3 import models

    backend: Any = models.S3Backend
    complete = backend.complete_multipart_upload

    @wraps(complete)
    def complete_and_release(store: Any, bucket: str, upload: str, parts: Any) -> Any:
        thing = complete(store, bucket, upload, parts)
        if thing is not None:
            for part in thing.multipart.parts.values():
                part._value_buffer.close()
        return thing

    backend.complete_multipart_upload = complete_and_release
