# syntax=docker/dockerfile:1
# facedex up in a container, for linux/amd64 and linux/arm64:
#
#   docker build -t facedex .                      or, for both platforms:
#   docker buildx build --platform linux/amd64,linux/arm64 -t facedex .
#
# CI lints this file with hadolint and does not build it: its machines have no Docker.

FROM python:3.13-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /source
RUN python -m venv /opt/facedex
# The packages first: this layer stays the same until the lock changes.
COPY requirements/local.txt requirements/
RUN /opt/facedex/bin/pip install --require-hashes -r requirements/local.txt
COPY pyproject.toml README.md LICENSE ./
COPY layers layers
COPY functions functions
COPY local local
COPY cli cli
RUN /opt/facedex/bin/pip install --no-deps --no-build-isolation .

FROM python:3.13-slim-bookworm
LABEL org.opencontainers.image.title="Facedex" \
      org.opencontainers.image.description="Amazon Rekognition's face collections, self-hosted" \
      org.opencontainers.image.licenses="Apache-2.0"
# The directories exist and belong to the user, so that new volumes do too.
RUN useradd --uid 10001 --create-home facedex \
 && install --directory --owner=facedex --group=facedex /data /models
COPY --from=build /opt/facedex /opt/facedex
ENV PATH=/opt/facedex/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    FACEDEX_DATA_DIR=/data \
    FACEDEX_MODELS=/models
USER 10001
WORKDIR /home/facedex
# /data: the embedded database and the secret of access keys. /models: pulled model packs.
VOLUME ["/data", "/models"]
EXPOSE 9000
# As Ctrl-C: requests under way are finished, and Postgres is stopped.
STOPSIGNAL SIGINT
# The first start downloads the model pack.
HEALTHCHECK --interval=10s --timeout=5s --start-period=5m --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:9000/health', timeout=4)"]
ENTRYPOINT ["facedex"]
# All addresses of the container; publish the port on 127.0.0.1 unless access keys are required.
CMD ["up", "--host", "0.0.0.0", "--port", "9000"]
