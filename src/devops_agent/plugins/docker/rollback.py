"""Goes back to an earlier image by making the container again, with its settings, under its name.

The old container is kept under another name until the new one runs, and comes back if it does not. Every stage looks
at what is there and does what is missing, so that a roll-back which was killed half-way is finished, or undone, by
doing it again with the same key.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256

from devops_agent.model.action import Result
from devops_agent.plugins.docker.client import Engine, EngineError, Json
from devops_agent.plugins.docker.config import PREVIOUS_IMAGE, ROLLBACK
from devops_agent.plugins.docker.copy import more_networks, settings_like
from devops_agent.plugins.docker.find import labels_of, name_of, short
from devops_agent.plugins.docker.scale import Refuse
from devops_agent.plugins.docker.state import when, word_of
from devops_agent.ports import PluginError

_CALL = 30.0
_LOOK_AGAIN = 0.1
_STAYS_UP = 0.5
"""Seconds that a new container has to run before the old one is given up; whether it is healthy is for the proof."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The three names that containers bear during a roll-back."""

    mark: str
    own: str
    before: str
    """The old container's while the new one is being tried."""
    next: str
    """The new container's until it takes over."""

    @classmethod
    def of(cls, name: str, key: str) -> "Names":
        """Return the names for one roll-back; the same key gives the same names."""
        mark = sha256(key.encode()).hexdigest()[:12]
        return cls(mark=mark, own=name, before=f"{name}.before-{mark}", next=f"{name}.next-{mark}")


class Rollback:
    """One roll-back of the container that bears `names.own`."""

    def __init__(self, engine: Engine, names: Names, *, refuse: Refuse) -> None:
        self._engine = engine
        self._names = names
        self._refuse = refuse

    async def to(self, image: str, *, patience: int, seconds: float) -> Result:
        """Roll back to `image`, or to the one before if that is empty, within some `seconds`.

        Raises:
            EngineError: the engine does not answer; the same key finishes or undoes what was begun.
            PluginError: there is nothing to go back to, or the new container does not run: the old one is back.
            Untouchable: the container is on the never-touch set.

        """
        now, before = await self._named(self._names.own), await self._named(self._names.before)
        old = before or now
        if old is None:
            raise PluginError(f"no container {self._names.own!r} on this engine", retryable=False)
        await self._refuse(old)
        if now is not None and before is None and self._is_ours(now):
            return _told(now)
        try:
            async with asyncio.timeout(seconds):
                new = await self._make(old, image)
                await self._swap(old, new, patience)
                await self._see_it_run(new)
        except (TimeoutError, EngineError, _DoesNotRun) as error:
            why = f"it takes longer than {seconds:g} s" if isinstance(error, TimeoutError) else str(error)
            outcome = await self._restore(old)
            passing = isinstance(error, TimeoutError) or (isinstance(error, EngineError) and error.passing)
            raise PluginError(f"cannot roll {self._names.own} back: {why}; {outcome}", retryable=passing) from error
        await self._engine.remove(old["Id"], force=True)
        return _told(await self._engine.inspect(new))

    async def _make(self, old: Json, image: str) -> str:
        """Return the new container's id; it exists already when this was begun before."""
        for name in (self._names.own, self._names.next):
            known = await self._named(name)
            if known is not None and self._is_ours(known):
                return str(known["Id"])
        if old["HostConfig"].get("AutoRemove"):
            says = (
                f"cannot roll {self._names.own} back: it was started with --rm, so nothing is left of it once it stops"
            )
            raise PluginError(says, retryable=False)
        old_image = await self._image(old["Image"])
        target = await self._choose(old, image)
        labels = {PREVIOUS_IMAGE: await self._lasting_name(old), ROLLBACK: self._names.mark}
        settings = settings_like(old, image=target, old_image=old_image, labels=labels)
        made = await self._engine.create(self._names.next, settings, timeout=_CALL)
        for network, endpoint in more_networks(old).items():
            await self._engine.connect(network, made, endpoint)
        return made

    async def _swap(self, old: Json, new: str, patience: int) -> None:
        # Ports, addresses and volumes are free only once the old one has stopped; and one that was stopped on purpose
        # is not brought back by its restart policy.
        await self._engine.stop(old["Id"], patience=patience, timeout=patience + _CALL)
        if await self._name(old["Id"]) == self._names.own:
            await self._engine.rename(old["Id"], self._names.before)
        if await self._name(new) != self._names.own:
            await self._engine.rename(new, self._names.own)
        await self._engine.start(new, timeout=_CALL)

    async def _see_it_run(self, new: str) -> None:
        for _ in range(round(_STAYS_UP / _LOOK_AGAIN)):
            container = await self._engine.inspect(new)
            if word_of(container) != "running" or container.get("RestartCount"):
                code = container["State"].get("ExitCode")
                raise _DoesNotRun(f"it does not run with {container['Config']['Image']}: exit code {code}")
            await asyncio.sleep(_LOOK_AGAIN)

    async def _restore(self, old: Json) -> str:
        """Bring the old container back under its name, also when it never left; tell how that went."""
        try:
            for name in (self._names.own, self._names.next):
                known = await self._named(name)
                if known is not None and known["Id"] != old["Id"] and self._is_ours(known):
                    await self._engine.remove(known["Id"], force=True)
            if await self._name(old["Id"]) != self._names.own:
                await self._engine.rename(old["Id"], self._names.own)
            await self._engine.start(old["Id"], timeout=_CALL)
        except EngineError as error:
            return f"and the old container {old['Id'][:12]} is still there, but could not be brought back: {error}"
        return "the old container runs again"

    async def _choose(self, old: Json, wanted: str) -> str:
        """Return the image to go to: the one asked for, the one remembered, or the next older of the repository.

        Raises:
            PluginError: there is none, or it is not on this machine.

        """
        chosen = wanted or labels_of(old).get(PREVIOUS_IMAGE) or await self._older(old)
        if not chosen:
            says = (
                f"cannot roll {self._names.own} back: no earlier image of {old['Config']['Image']} is on this machine"
            )
            raise PluginError(f"{says}; give one as `image`", retryable=False)
        if await self._image(chosen) is None:
            says = f"cannot roll {self._names.own} back: the image {chosen} is not on this machine; pull it"
            raise PluginError(says, retryable=False)
        return chosen

    async def _older(self, old: Json) -> str:
        current = await self._image(old["Image"])
        repository = _repository(old["Config"]["Image"])
        if current is None or not repository:
            return ""
        older: list[tuple[object, str]] = []
        for summary in await self._engine.images(reference=repository):
            image = await self._image(summary["Id"])
            tags = [tag for tag in summary.get("RepoTags") or () if _repository(tag) == repository]
            if image and tags and image["Id"] != current["Id"] and _made(image) < _made(current):
                older.append((_made(image), tags[0]))
        return max(older)[1] if older else ""

    async def _lasting_name(self, old: Json) -> str:
        """Return the name of the image that a container runs; its id when the name means another one by now."""
        said = str(old["Config"]["Image"])
        image = await self._image(said)
        return said if image and image["Id"] == old["Image"] else str(old["Image"])

    async def _image(self, ref: str) -> Json | None:
        try:
            return await self._engine.image(ref)
        except EngineError as error:
            if error.not_found:
                return None
            raise

    async def _named(self, name: str) -> Json | None:
        with suppress(_NotThere):
            return await self._inspect(name)
        return None

    async def _inspect(self, name: str) -> Json:
        try:
            found = await self._engine.inspect(name)
        except EngineError as error:
            if error.not_found:
                raise _NotThere from error
            raise
        if name_of(found) != name:
            raise _NotThere
        return found

    async def _name(self, container: str) -> str:
        return name_of(await self._engine.inspect(container))

    def _is_ours(self, container: Json) -> bool:
        return labels_of(container).get(ROLLBACK) == self._names.mark


class _DoesNotRun(Exception):  # noqa: N818 — what is wrong with the new container
    pass


class _NotThere(Exception):  # noqa: N818 — not an error here
    pass


def _told(container: Json) -> Result:
    before = labels_of(container).get(PREVIOUS_IMAGE, "")
    image = container["Config"]["Image"]
    return Result(
        ok=True,
        says=f"rolled {name_of(container)} from {before} to {image}: {short(container)} runs",
        undo={"image": before},
        data={"image": image, "previous_image": before, "container": container["Id"]},
    )


def _repository(reference: str) -> str:
    if reference.startswith("sha256:"):
        return ""
    name = reference.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return head + slash + last.partition(":")[0]


def _made(image: Json) -> float:
    made = when(image.get("Created"))
    return made.timestamp() if made else 0.0
