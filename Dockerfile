# One image for every process of chat-hygiene: docker-compose.yml says which one it is.
# The Python is the one that the tests run on; both stages need the same.
ARG PYTHON=python:3.11.14-slim-trixie

FROM ${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv /opt/chat-hygiene
ENV PATH=/opt/chat-hygiene/bin:$PATH
WORKDIR /src
# First what changes rarely. Wheels only: nothing is compiled, so no compiler is installed.
COPY requirements.lock ./
RUN pip install --require-hashes --only-binary :all: -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY migrations migrations
COPY policies policies
COPY worker worker
RUN pip install --no-deps --no-build-isolation .
# What only builds and installs stays behind.
RUN pip uninstall --yes editables hatchling pathspec pluggy trove-classifiers pip

FROM ${PYTHON}
ENV PATH=/opt/chat-hygiene/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
COPY --from=build /opt/chat-hygiene /opt/chat-hygiene
COPY deploy/healthcheck.py /opt/healthcheck.py
# A number, so that Kubernetes can tell that it is not root.
USER 10001:10001
CMD ["chat-hygiene"]
