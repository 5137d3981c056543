#!/usr/bin/env bash
# Install axe-core, which tests/real runs on every page in a browser, into build/axe; nothing of the product needs it.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh

version=4.14.1
place=build/axe
log=$place/install.log

if [ "$(cat "$place/installed" 2>/dev/null)" = "$version" ]; then
  echo "axe-core: installed"
  exit 0
fi
if ! command -v npm >/dev/null; then
  echo "axe-core: skipped, npm is not here; install Node.js and npm, and run $0 again"
  exit 0
fi
mkdir -p "$place"
attempt "$log" npm install --prefix "$place" --no-audit --no-fund --no-save --ignore-scripts "axe-core@$version" ||
  give_up "axe-core" "$log"
echo "$version" >"$place/installed"
echo "axe-core: installed $version"
