"""The port ChangeSource on the engine: when a container was made, from which image, and when it was last started."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from devops_agent.kit.tools import Tools, settings
from devops_agent.model.target import Target
from devops_agent.model.telemetry import Change, ChangeKind
from devops_agent.plugins.docker.client import Engine, EngineError, Json
from devops_agent.plugins.docker.config import PREVIOUS_IMAGE, ROLLBACK, Config
from devops_agent.plugins.docker.find import find, image_name, labels_of, plainly, ref_of, short
from devops_agent.plugins.docker.state import when

REVISION = "org.opencontainers.image.revision"
VERSION = "org.opencontainers.image.version"
_IMAGES = 20
"""Images of one name that are looked at, the newest."""
_FIRST_START = timedelta(seconds=10)
"""A start so soon after a container was made belongs to its making."""


def build(config: Mapping[str, object], *, tools: Tools) -> DockerChanges:
    """Build the source from `plugins.docker`."""
    return DockerChanges(settings(Config, config, where="plugins.docker"), tools=tools)


class DockerChanges:
    """Tells what one engine still knows: of a container that was replaced nothing is left but its image."""

    def __init__(self, config: Config, *, tools: Tools) -> None:
        self._engine = Engine(tools.http, socket=config.socket)

    async def changes(self, target: Target, *, begin: datetime, end: datetime) -> list[Change]:
        """Return the making and the last start of the target's container, as far as they are in the window."""
        with plainly():
            container = await find(self._engine, ref_of(target))
            if container is None:
                return []
            before = await self._image_before(container) if _within(_made(container), begin, end) else ("", {})
        found = _changes(target, container, before)
        return [change for change in sorted(found, key=lambda change: change.at) if begin <= change.at <= end]

    async def _image_before(self, container: Json) -> tuple[str, Mapping[str, str]]:
        """Return name and labels of the image that was probably run before.

        That is the one that we noted, else the newest of the same name that is older than the container's.
        """
        noted = labels_of(container).get(PREVIOUS_IMAGE, "")
        if noted:
            return noted, _labels(await self._image(noted))
        repository = _repository(container["Config"]["Image"])
        if not repository:
            return "", {}
        images = [await self._image(one["Id"]) for one in (await self._engine.images(reference=repository))[:_IMAGES]]
        made = next((when(image.get("Created")) for image in images if image.get("Id") == container["Image"]), None)
        older = [
            (created, tag, _labels(image))
            for image in images
            if (created := when(image.get("Created"))) is not None and made is not None and created < made
            for tag in image.get("RepoTags") or ()
            if _repository(tag) == repository
        ]
        return max(older, key=lambda one: one[0])[1:] if older else ("", {})

    async def _image(self, ref: str) -> Json:
        try:
            return await self._engine.image(ref)
        except EngineError as error:
            if error.not_found:
                return {}
            raise


def _labels(image: Json) -> Mapping[str, str]:
    labels: Mapping[str, str] = (image.get("Config") or {}).get("Labels") or {}
    return labels


def _changes(target: Target, container: Json, before: tuple[str, Mapping[str, str]]) -> Iterator[Change]:
    made, started = _made(container), when(container["State"].get("StartedAt"))
    image, labels = str(container["Config"]["Image"]), labels_of(container)
    now, then = _called(image, labels), _called(*before)
    if made is not None:
        kind = ChangeKind.ACTION if ROLLBACK in labels else ChangeKind.IMAGE if then else ChangeKind.DEPLOYMENT
        says = f"container {short(container)} was made from {now}" + (f"; before it: {then}" if then else "")
        yield _change(target, kind, made, says, before=then, after=now)
    if started is not None and (made is None or started - made > _FIRST_START):
        count = container.get("RestartCount") or 0
        often = f", by its restart policy for the {count}. time" if count else ""
        yield _change(target, ChangeKind.RESTART, started, f"container {short(container)} was started{often}")


def _change(target: Target, kind: ChangeKind, at: datetime, says: str, *, before: str = "", after: str = "") -> Change:
    return Change(target=target.name, kind=kind, at=at, says=says, before=before, after=after, source="docker")


def _called(image: str, labels: Mapping[str, str]) -> str:
    """Name an image for people: `shop:2 (version 2.0, revision 1a2b3c4)`."""
    more = [f"version {labels[VERSION][:80]}"] if labels.get(VERSION) else []
    more += [f"revision {labels[REVISION][:12]}"] if labels.get(REVISION) else []
    return f"{image} ({', '.join(more)})" if image and more else image


def _made(container: Json) -> datetime | None:
    created = container.get("Created")
    return when(created) if isinstance(created, str) else datetime.fromtimestamp(created, UTC) if created else None


def _within(at: datetime | None, begin: datetime, end: datetime) -> bool:
    return at is not None and begin <= at <= end


def _repository(reference: str) -> str:
    """Return an image's name with its registry, without tag and digest; empty for a bare id."""
    if not image_name(reference) or reference.startswith("sha256:"):
        return ""
    head, slash, last = reference.partition("@")[0].rpartition("/")
    return head + slash + last.partition(":")[0]
