"""Who a target really is, and what must never be touched."""

from collections.abc import Iterable

from devops_agent.model.fact import Fact


class Identity(Fact, kw_only=True):
    """Everything by which a thing can be recognised, whatever name it was asked for under."""

    names: frozenset[str] = frozenset()
    ids: frozenset[str] = frozenset()
    """Container ids in full."""
    pids: frozenset[int] = frozenset()
    images: frozenset[str] = frozenset()
    """Image names without registry, tag or digest (`prom/prometheus`)."""
    ports: frozenset[int] = frozenset()
    """Local ports that it listens on or publishes."""
    paths: frozenset[str] = frozenset()
    """Real paths that an action would write or delete."""


class Protected(Fact, kw_only=True):
    """One member of the never-touch set, with the reason."""

    what: str
    why: str
    is_: Identity


def forbids(protected: Iterable[Protected], identity: Identity) -> Protected | None:
    """Return the first protected thing that `identity` is or would touch; None when it is free.

    Names, ids, pids, images and ports meet when they share a member; paths when one contains the other.
    """
    for thing in protected:
        if _same(thing.is_, identity):
            return thing
    return None


def _same(one: Identity, other: Identity) -> bool:
    return bool(
        one.names & other.names
        or one.ids & other.ids
        or one.pids & other.pids
        or one.images & other.images
        or one.ports & other.ports
        or any(_within(a, b) or _within(b, a) for a in one.paths for b in other.paths)
    )


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
