#!/usr/bin/env bash
# Install the MCP memory server that tests/real mirrors history to into build/memory-keeper; nothing of the product needs it.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh

version=0.14.1
place=build/memory-keeper
log=$place/install.log

if [ "$(cat "$place/installed" 2>/dev/null)" = "$version" ]; then
  echo "memory server: installed"
  exit 0
fi
if ! command -v npm >/dev/null; then
  echo "memory server: skipped, npm is not here; install Node.js and npm, and run $0 again"
  exit 0
fi
mkdir -p "$place"
attempt "$log" npm install --prefix "$place" --no-audit --no-fund --no-save "mcp-memory-keeper@$version" ||
  give_up "memory server" "$log"
echo "$version" >"$place/installed"
echo "memory server: installed mcp-memory-keeper $version"
