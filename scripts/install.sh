# Sourced by the scripts that install real parts into build/: tries that outlast a registry's bad moment, and the end
# of one that does not.

# attempt LOG COMMAND…: run it, three times at most, its output in LOG.
attempt() {
  local log=$1 pause
  shift
  for pause in 5 20 0; do
    if "$@" >"$log" 2>&1; then
      return 0
    fi
    sleep "$pause"
  done
  return 1
}

# give_up WHAT LOG: say what is missing; an error where REQUIRE_REAL_PARTS=1 (CI), else its tests skip.
give_up() {
  if [ "${REQUIRE_REAL_PARTS:-}" = 1 ]; then
    tail --lines=60 "$2" >&2
    echo "$1: cannot be installed" >&2
    exit 1
  fi
  tail --lines=5 "$2" >&2
  echo "$1: skipped, it cannot be installed here; the whole output is in $2" >&2
  exit 0
}
