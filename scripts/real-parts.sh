#!/usr/bin/env bash
# Install the Debian packages that tests/real and the benchmarks run against; only those missing, and start none of them.
set -euo pipefail
cd "$(dirname "$0")"

installed() { [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  echo "real parts: skipped, apt-get is not here; install by hand: $(paste --serial --delimiters=' ' debian-packages.txt)"
  exit 0
fi
missing=()
while read -r package; do
  installed "$package" || missing+=("$package")
done <debian-packages.txt
if [ ${#missing[@]} -eq 0 ]; then
  echo "real parts: all installed"
  exit 0
fi
if [ "$(id --user)" -ne 0 ]; then
  echo "real parts: skipped, only root can install; as root: apt-get install ${missing[*]}"
  exit 0
fi

# Debian's packages start their services on install unless this file says no. A machine's own one stays as it is.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm --force "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
fi
log=$(mktemp)
if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
  tail --lines=20 "$log" >&2
  echo "real parts: cannot install ${missing[*]}; the whole output is in $log" >&2
  exit 1
fi
rm --force "$log"
echo "real parts: installed ${missing[*]}"
