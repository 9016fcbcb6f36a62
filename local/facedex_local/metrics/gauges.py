"""The gauges that every process of the server has."""

from __future__ import annotations

from facedex.observability import metrics
from facedex.observability.recording import sample


def register() -> None:
    """Register the gauges of the database's connections, the packs and the images."""
    from facedex.runtime import model_packs, services
    from facedex.vision import images, sessions

    sample(metrics.DATABASE_CONNECTIONS, lambda: services.database().use.used, "used")
    sample(metrics.DATABASE_CONNECTIONS, lambda: services.database().use.idle, "idle")
    sample(metrics.DATABASE_CONNECTIONS_MAX, lambda: services.database().use.most)
    sample(metrics.DATABASE_WAITING, lambda: services.database().use.waiting)
    sample(metrics.PACKS_LOADED, lambda: model_packs.shelf().loaded)
    sample(metrics.GALLERY_BYTES, lambda: _galleries("resident_bytes"))
    sample(metrics.GALLERY_VECTORS, lambda: _galleries("resident_vectors"))
    sample(metrics.DECODING_PIXELS, lambda: images.in_flight.used)
    sample(metrics.DECODING_WAITING, lambda: images.decoding.waiting + images.in_flight.waiting)
    sample(metrics.INFERENCE_WAITING, lambda: sessions.running.waiting)


def _galleries(attribute: str) -> float:
    from facedex.runtime import services

    residents = services.database().whole.residents
    return float(getattr(residents, attribute)) if residents else 0.0
