"""A change to moto that frees the memory of what its clients have deleted or replaced.

Unchanged, moto keeps every object, message and record for ever in a list for its dashboard, which
this server does not have: memory grows with each upload, and with it the number of open files.
"""

from __future__ import annotations

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
