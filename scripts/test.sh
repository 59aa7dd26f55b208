#!/bin/sh
# The tests: sets everything up and passes the whole suite. Arguments go to pytest.
set -u
root=$(cd "$(dirname "$0")/.." && pwd) || exit 3
cd "$root" || exit 3
. scripts/setup.sh
. scripts/optional.sh
setup "$root" requirements-dev.lock || exit $?
install_optional_tools
trap stop_postgres EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
start_postgres
failed=0
.venv/bin/ruff check . >&2 || failed=1
.venv/bin/ruff format --check --quiet . >&2 || { say "ruff format: some files are not formatted"; failed=1; }
.venv/bin/mypy >&2 || failed=1
.venv/bin/lint-imports >&2 || failed=1
.venv/bin/python -m pytest "$@" || failed=1
exit $failed
