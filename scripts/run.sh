#!/bin/sh
# The main job: sets everything up and runs a case (default: cases/cex-polish). Arguments go to `minifactory run`;
# when the first one is an option, the default case is meant.
set -u
root=$(cd "$(dirname "$0")/.." && pwd) || exit 3
. "$root/scripts/setup.sh"
setup "$root" requirements.lock || exit $?
case ${1:--} in
-*)
    cd "$root" || exit 3
    set -- cases/cex-polish "$@"
    ;;
esac
exec "$root/.venv/bin/minifactory" run "$@"
