"""A change to moto's S3 that finds buckets only in host names that can have one.

Unchanged, moto takes the first part of any name with a dot for a bucket: a server that is called
office.example has no objects, because all of them are looked for in a bucket "office".
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

# Below these names, AWS's SDKs put a bucket's name before the service's.
_SERVICES: Final = (".localhost", ".amazonaws.com", ".amazonaws.com.cn")


def read_buckets() -> None:
    """Change moto to find the bucket in the path, unless the host's name can contain it."""
    from moto.s3.responses import S3Response

    original = S3Response.subdomain_based_buckets

    def subdomain_based_buckets(request: Any) -> bool:
        host = request.headers.get("host") or urlsplit(request.url).netloc
        name = (urlsplit(f"//{host}").hostname or "").removesuffix(".")
        return name.endswith(_SERVICES) and original(request)

    S3Response.subdomain_based_buckets = staticmethod(  # type: ignore[method-assign]
        subdomain_based_buckets
    )
