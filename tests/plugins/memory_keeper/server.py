"""A tiny MCP server with the one tool that mirroring needs; keeps what it was given in a file, one item per key."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

KEPT = Path(os.environ["DATA_DIR"]) / "kept.json"
HOW = sys.argv[1] if len(sys.argv) > 1 else "well"


def save(items: list[dict[str, str]]) -> str:
    if HOW == "refuses":
        errors = [{"index": 0, "key": items[0]["key"], "error": "no room"}]
        return json.dumps({"succeeded": len(items) - 1, "errors": errors})
    if HOW == "babbles":
        return "saved, I think"
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    kept |= {item["key"]: item for item in items}
    KEPT.write_text(json.dumps(kept))
    return json.dumps({"succeeded": len(items), "errors": []})


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    match asked["method"]:
        case "initialize":
            return {
                "result": {
                    "protocolVersion": asked["params"]["protocolVersion"],
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "fake", "version": "1"},
                }
            }
        case "tools/list":
            return {"result": {"tools": [{"name": "context_batch_save", "inputSchema": {"type": "object"}}]}}
        case "tools/call":
            text = save(asked["params"]["arguments"]["items"])
            return {"result": {"content": [{"type": "text", "text": text}]}}
        case method:
            return {"error": {"code": -32601, "message": f"no method {method}"}}


if HOW == "dies":
    sys.exit("cannot open the database")
if HOW == "hangs":
    time.sleep(600)
for line in sys.stdin:
    asked = json.loads(line)
    if "id" in asked:
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": asked["id"], **answer(asked)}) + "\n")
        sys.stdout.flush()
