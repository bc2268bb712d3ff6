# The API and beat's neighbours that need no torch: api, control, beat, flower.
FROM python:3.11-slim
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app
ENV PYTHONPATH=/app
COPY requirements.lock pyproject.toml README.md ./
RUN sed -n 's/^\([A-Za-z0-9._-]*==[^ ]*\).*/\1/p' requirements.lock > constraints.txt
COPY core core
COPY service service
COPY workers workers
COPY deploy deploy
COPY matteforge matteforge
RUN pip install -c constraints.txt ".[service]" flower && useradd --create-home matteforge
USER matteforge
EXPOSE 8000
CMD ["matteforge", "serve", "api", "--host", "0.0.0.0"]
