"""What the engine says of a container, as State; pure."""

import re
from datetime import UTC, datetime

from devops_agent.model.evidence import State
from devops_agent.plugins.docker.client import Json
from devops_agent.plugins.docker.find import short

_FRACTION = re.compile(r"\.(\d{1,6})\d*")
_NEVER = "0001-01-01"


def gone(ref: str) -> State:
    """Return the state of a container that does not exist."""
    return State(exists=False, running=False, says=f"no container {ref!r} on this engine")


def state_of(container: Json, *, replicas: int | None = None) -> State:
    """Return the state of a container; one that waits to be restarted by its policy does not run."""
    said = container["State"]
    word = word_of(container)
    running = word in {"running", "paused"}
    health = (said.get("Health") or {}).get("Status", "none")
    healthy = {"healthy": True, "unhealthy": False}.get(health)
    return State(
        exists=True,
        running=running,
        healthy=False if word == "paused" else healthy if running else None,
        starting=running and health == "starting",
        since=when(said.get("StartedAt")) if running else None,
        pid=(said.get("Pid") or None) if running else None,
        instance=container["Id"],
        image=container["Config"]["Image"],
        exit_code=None if running or word == "created" else said.get("ExitCode"),
        oom_killed=bool(said.get("OOMKilled")),
        restarts=container.get("RestartCount"),
        replicas=replicas,
        says=_says(container, word, health),
        extra={"status": word, "image_id": container["Image"], "health": health},
    )


def word_of(container: Json) -> str:
    """Return the engine's word: created, running, paused, restarting, removing, exited or dead."""
    return str(container["State"].get("Status") or "unknown")


def when(text: str | None) -> datetime | None:
    """Read the engine's time, which has nanoseconds; None for its way of saying never."""
    if not text or text.startswith(_NEVER):
        return None
    return datetime.fromisoformat(_FRACTION.sub(r".\1", text)).astimezone(UTC)


def _says(container: Json, word: str, health: str) -> str:
    said = container["State"]
    text = f"container {short(container)} is {word}"
    if word in {"exited", "dead", "restarting"}:
        text += f", exit code {said.get('ExitCode')}"
        text += ", killed for want of memory" if said.get("OOMKilled") else ""
        text += f": {said['Error']}" if said.get("Error") else ""
    elif word == "running" and health != "none":
        text += f" and {health}"
        last = ((said.get("Health") or {}).get("Log") or [{}])[-1] if health == "unhealthy" else {}
        if output := " ".join(str(last.get("Output") or "").split())[:200]:
            text += f": {output}"
    return text
