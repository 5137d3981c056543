#!/usr/bin/env bash
# Install a LogQL server for tests/real into build/logql: qryn, which speaks Loki's API, on chdb, a ClickHouse in process.
# Nothing of it comes into .venv, and nothing of the product needs it.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh

qryn=3.2.39
chdb=4.4.0
place=build/logql
log=$place/install.log

if [ "$(cat "$place/installed" 2>/dev/null)" = "qryn $qryn chdb $chdb" ]; then
  echo "LogQL server: installed"
  exit 0
fi
if ! command -v npm >/dev/null; then
  echo "LogQL server: skipped, npm is not here; install Node.js and npm, and run $0 again"
  exit 0
fi
mkdir -p "$place"
install() {
  # Scripts of packages are not run: none is needed, and one of them wants tools that are not there.
  npm install --prefix "$place" --no-audit --no-fund --no-save --ignore-scripts "qryn@$qryn" &&
    "${PYTHON:-python3}" -m venv "$place/venv" &&
    "$place/venv/bin/python" -m pip install --quiet --no-cache-dir --disable-pip-version-check "chdb==$chdb"
}
attempt "$log" install || give_up "LogQL server" "$log"
echo "qryn $qryn chdb $chdb" >"$place/installed"
echo "LogQL server: installed qryn $qryn on chdb $chdb"
