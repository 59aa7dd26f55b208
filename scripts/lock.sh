#!/bin/sh
# For maintainers: resolves pyproject.toml again and writes both lock files (needs `uv` on the path).
set -eu
cd "$(dirname "$0")/.."
compile() {
    uv pip compile --quiet pyproject.toml --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-annotate --no-header "$@"
}
compile --group setup --output-file requirements.lock
compile --group dev --constraint requirements.lock --output-file requirements-dev.lock
