# Two stages on one base: the first builds the page and installs the service, the second holds what runs.
#
#   docker build -t convscope . && docker run -p 8000:8000 -v convscope:/cache convscope
#
# It needs to write nothing but its cache, which may lie in memory (900 MB; ready in seconds):
#   docker run --read-only --cap-drop ALL --security-opt no-new-privileges --tmpfs /cache -p 8000:8000 convscope
# The folder is everybody's, like /tmp: a file system in memory takes its mode but not its owner, and `--user` may be any.
#
# The image computes on the CPU: the package onnxruntime is a third of the size of onnxruntime-gpu. For NVIDIA GPUs, with
# the CUDA 13 and cuDNN libraries as packages, so that the machine needs the driver and its container toolkit alone:
#   docker build --build-arg GPU=1 -t convscope:gpu . && docker run --gpus all -p 8000:8000 convscope:gpu
#
# What is installed is locked by digest in deploy/requirements*.txt; `make lock` writes those anew.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

# --- build: Node from PyPI, the page, and a virtual environment with the service's wheel --------------------------
FROM ${PYTHON_IMAGE} AS build
ARG GPU=""
WORKDIR /src

COPY deploy/requirements*.txt deploy/
RUN python -m venv /opt/build \
 && /opt/build/bin/pip install --no-cache-dir --require-hashes -r deploy/requirements-build.txt
RUN python -m venv /opt/convscope \
 && /opt/convscope/bin/pip install --no-cache-dir --require-hashes -r "deploy/requirements${GPU:+-gpu}.txt"

COPY static/package.json static/package-lock.json static/.npmrc static/
RUN PATH=/opt/build/bin:$PATH npm --prefix static ci --no-audit --no-fund
COPY static/tsconfig.json static/vite.config.ts static/
COPY static/src static/src
RUN PATH=/opt/build/bin:$PATH npm --prefix static run build

COPY pyproject.toml README.md LICENSE ./
COPY app app
COPY templates templates
COPY models/bundled models/bundled
COPY models/pullable models/pullable
COPY models/course models/course
# afterwards: the tests that packages carry, and pip itself, have no use in the image; compiled, it starts twice as fast
RUN /opt/build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /opt/wheel . \
 && /opt/convscope/bin/pip install --no-cache-dir --no-deps --no-index /opt/wheel/*.whl \
 && cd /opt/convscope/lib/python3*/site-packages \
 && rm -rf onnx/backend/test numpy/*/tests numpy/tests pip pip-* setuptools setuptools-* \
 && /opt/convscope/bin/python -m compileall -q -f -j 0 --invalidation-mode unchecked-hash .

# --- run -----------------------------------------------------------------------------------------------------------
FROM ${PYTHON_IMAGE}
RUN useradd --system --uid 10001 --home-dir /cache --shell /usr/sbin/nologin convscope \
 && install -d -o convscope -g convscope -m 1777 /cache
COPY --from=build /opt/convscope /opt/convscope

ENV PATH=/opt/convscope/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    CONVSCOPE_HOST=0.0.0.0 \
    CONVSCOPE_PORT=8000 \
    CONVSCOPE_CACHE_DIR=/cache
USER convscope
WORKDIR /cache
VOLUME /cache
EXPOSE 8000
# Straight to the port of the environment; with --port or HTTPS, give `docker run` a --health-cmd or --no-healthcheck.
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import os, urllib.request as u; u.build_opener(u.ProxyHandler({})).open(f\"http://127.0.0.1:{os.environ.get('CONVSCOPE_PORT') or 8000}/healthz\", timeout=4)"]
ENTRYPOINT ["convscope"]
CMD ["serve"]
