# Two images from one file:
#   docker build --target service .   answers requests; no torch, Prefect, MLflow or Polars in it
#   docker build --target worker .    trains, promotes and runs the flows

ARG PYTHON=python:3.11.15-slim-bookworm

FROM ${PYTHON} AS source
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/rollcast
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY data data
COPY forecasting forecasting
COPY pipelines pipelines
COPY rollcast rollcast
COPY service service
COPY states states

FROM source AS service-build
RUN /opt/rollcast/bin/pip install --constraint constraints.txt '.[postgres]'
# pip has compiled byte-code; here come the compiled loops, for the processor of the machine that builds.
RUN /opt/rollcast/bin/python -P -m forecasting.precompile

FROM source AS worker-build
# The CPU build of torch is a tenth of the size of the default one; give an empty value to get the default.
ARG TORCH_INDEX="--extra-index-url https://download.pytorch.org/whl/cpu"
RUN /opt/rollcast/bin/pip install ${TORCH_INDEX} --constraint constraints.txt '.[postgres,pipelines,train]'
RUN /opt/rollcast/bin/python -P -m forecasting.precompile

FROM ${PYTHON} AS base
RUN useradd --uid 10001 --create-home rollcast && install -d -o rollcast -g rollcast /var/lib/rollcast
# The image of Python comes without byte-code of its own library.
RUN python -m compileall -q -x '/(site-packages|test|idlelib|lib2to3)/' "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
# On another processor than that of the build, the loops are compiled at the first start and kept in NUMBA_CACHE_DIR.
ENV PATH=/opt/rollcast/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONSAFEPATH=1 DO_NOT_TRACK=1 \
    ROLLCAST_HOME=/var/lib/rollcast NUMBA_CACHE_DIR=/tmp/compiled
WORKDIR /var/lib/rollcast

FROM base AS worker
COPY --from=worker-build /opt/rollcast /opt/rollcast
COPY prefect.yaml /opt/rollcast/prefect.yaml
ENV MLFLOW_DISABLE_TELEMETRY=true PREFECT_SERVER_ANALYTICS_ENABLED=false PREFECT_HOME=/var/lib/rollcast/prefect
USER rollcast
CMD ["prefect", "worker", "start", "--pool", "rollcast", "--type", "process"]

# Last, so that a plain `docker build .` gives the image that serves.
FROM base AS service
COPY --from=service-build /opt/rollcast /opt/rollcast
USER rollcast
EXPOSE 8000
CMD ["rollcast", "serve", "--host", "0.0.0.0", "--port", "8000"]
