# GangGPT's images. One file, three targets:
#   prod  the runtime, in compose as in Kubernetes           docker build --target prod -t ganggpt:0.1.0 .
#   dev   prod with the developers' tools; mount the source  docker build --target dev -t ganggpt:dev .
#   vm    prod with what `ray up` needs inside a container   docker build --target vm -t ganggpt:0.1.0-vm .

FROM python:3.11-slim-bookworm AS base
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    RAY_USAGE_STATS_ENABLED=0 \
    SERVER_PORT=22005 \
    GANGGPT_WORLD=/app/worlds/los-santos \
    GANGGPT_DATA_DIR=/app/.ganggpt
# tini reaps what Ray's many processes leave behind; wget, with the bash of the base image, is what KubeRay's probes run.
# The user has uid 1000 because the first user of a cloud VM has it too: `ray up` copies files between the two.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends tini wget \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 1000 ganggpt \
    && useradd --uid 1000 --gid 1000 --create-home --shell /bin/bash ganggpt \
    && install -d -o ganggpt -g ganggpt /app /app/.ganggpt
WORKDIR /app

FROM base AS builder
RUN python -m venv /opt/venv
COPY requirements.lock ./
RUN --mount=type=cache,target=/root/.cache/pip pip install --require-hashes -r requirements.lock
COPY pyproject.toml README.md ./
COPY ganggpt ./ganggpt
# The lock holds the build backend as well, so nothing that has no hash is ever fetched.
RUN pip install --no-cache-dir --no-index --no-deps --no-build-isolation .

FROM builder AS dev-builder
COPY requirements-dev.lock ./
RUN --mount=type=cache,target=/root/.cache/pip pip install --require-hashes -r requirements-dev.lock
# Editable: a source tree mounted over /app is what runs.
RUN pip install --no-cache-dir --no-index --no-deps --no-build-isolation --editable .

FROM builder AS vm-builder
COPY cluster/requirements.lock ./
RUN --mount=type=cache,target=/root/.cache/pip pip install --require-hashes -r requirements.lock

FROM base AS runtime
LABEL org.opencontainers.image.title="GangGPT" \
      org.opencontainers.image.description="Live backend of an AI-driven GTA V role-play server" \
      org.opencontainers.image.licenses="MIT"
COPY worlds ./worlds
COPY k8s/kuberay/serve-config.yaml ./serve-config.yaml
EXPOSE 22005
STOPSIGNAL SIGTERM
# Whether it can serve, not whether all is well: where a model or Redis is away, a restart would help nobody.
HEALTHCHECK --interval=10s --timeout=5s --start-period=90s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f\"http://127.0.0.1:{os.environ['SERVER_PORT']}/health/ready\", timeout=4)"]
# The command stays apart from the entrypoint: `ray up` starts the container with `bash`, Kubernetes with `ray start`.
ENTRYPOINT ["tini", "--"]
CMD ["ganggpt", "up"]

FROM runtime AS dev
COPY --from=dev-builder /opt/venv /opt/venv
COPY . .
USER 1000:1000

# Ray's cluster launcher copies files with rsync, and the head starts workers over SSH and Google's API.
FROM runtime AS vm
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends openssh-client rsync \
    && rm -rf /var/lib/apt/lists/*
COPY --from=vm-builder /opt/venv /opt/venv
USER 1000:1000

FROM runtime AS prod
COPY --from=builder /opt/venv /opt/venv
USER 1000:1000
