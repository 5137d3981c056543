"""An engine that holds containers and what they wrote."""

import json
import struct
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from devops_agent.model.telemetry import LogLine
from tests.plugins.asked import Asked, Said


@dataclass
class HoldingEngine:
    """Answers as Docker does (`answer` is for tests.plugins.asked.serving)."""

    containers: dict[str, dict[str, Any]] = field(default_factory=dict)
    images: dict[str, dict[str, Any]] = field(default_factory=dict)
    logs: dict[str, list[LogLine]] = field(default_factory=dict)
    refuses: Said | None = None
    """What is said when a log is asked for."""

    def add(self, name: str, *lines: LogLine, tty: bool = False, **more: Any) -> dict[str, Any]:  # noqa: ANN401
        """Put in a container; `more` goes over its top level."""
        self.logs[name] = list(lines)
        self.containers[name] = {
            "Id": f"{len(self.containers):064x}",
            "Name": f"/{name}",
            "Image": "sha256:2",
            "Created": "2026-01-05T10:00:00.123456789Z",
            "RestartCount": 0,
            "Config": {"Image": f"{name}:2", "Tty": tty, "Labels": {}},
            "State": {"Status": "running", "StartedAt": "2026-01-05T10:00:01.5Z", "ExitCode": 0},
        } | more
        return self.containers[name]

    async def answer(self, asked: Asked) -> Said:  # noqa: PLR0911 — one for each thing that can be asked
        match asked.path.removeprefix("/v1.41").split("/")[1:]:
            case ["version"]:
                return Said(body={"ApiVersion": "1.41", "MinAPIVersion": "1.12"})
            case ["containers", "json"]:
                wanted = json.loads(asked.one("filters", "{}")).get("label", [])
                return Said(body=[] if wanted else [{"Id": one["Id"]} for one in self.containers.values()])
            case ["containers", name, "json"] if name in self.containers:
                return Said(body=self.containers[name])
            case ["containers", id_, "logs"]:
                return self.refuses or Said(body=self._log(id_, asked))
            case ["images", "json"]:
                (reference,) = json.loads(asked.one("filters"))["reference"]
                tagged = [one for one in self.images.values() if reference in str(one["RepoTags"])]
                return Said(body=tagged)
            case ["images", name, "json"] if unquote(name) in self.images:
                return Said(body=self.images[unquote(name)])
        return Said(status=404, body={"message": f"no such thing: {asked.path}"})

    def _log(self, id_: str, asked: Asked) -> bytes:
        name, container = next((name, one) for name, one in self.containers.items() if one["Id"] == id_)
        since = float(asked.one("since"))
        # As the engine does: the last lines of the whole log first, then what is new enough of these.
        last = self.logs[name][-int(asked.one("tail")) :]
        lines = [line for line in last if line.at.timestamp() >= since]
        if container["Config"]["Tty"]:
            return b"".join(stamped(line, end=b"\r\n") for line in lines)
        return b"".join(framed(stamped(line), stream=2 if "err" in line.text else 1) for line in lines)


def stamped(line: LogLine, *, end: bytes = b"\n") -> bytes:
    at: datetime = line.at.astimezone(UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S.%f}000Z {line.text}".encode() + end


def framed(content: bytes, *, stream: int = 1) -> bytes:
    return struct.pack(">BxxxL", stream, len(content)) + content
