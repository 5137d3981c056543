#!/usr/bin/env bash
# Install the mail server that tests/real sends to into build/maildev; nothing of the product needs it.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh

version=2.2.1
place=build/maildev
log=$place/install.log

if [ "$(cat "$place/installed" 2>/dev/null)" = "$version" ]; then
  echo "mail server: installed"
  exit 0
fi
if ! command -v npm >/dev/null; then
  echo "mail server: skipped, npm is not here; install Node.js and npm, and run $0 again"
  exit 0
fi
mkdir -p "$place"
attempt "$log" npm install --prefix "$place" --no-audit --no-fund --no-save "maildev@$version" ||
  give_up "mail server" "$log"
echo "$version" >"$place/installed"
echo "mail server: installed maildev $version"
