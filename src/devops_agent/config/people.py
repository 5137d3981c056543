"""What the settings say of telling people, name by name: who leads where, and which names lead nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devops_agent.config.problems import not_among
from devops_agent.config.tree import Path, find

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from devops_agent.config.read import Reader
    from devops_agent.config.settings import Settings
    from devops_agent.config.tree import Table
    from devops_agent.model.contact import Notify

NOTIFIERS = ("apprise", "email", "pam", "slack", "twilio", "webhook")
"""Plugins that deliver, as `via` names them."""

Wrong = tuple[Path, str]
"""Where, and what is wrong."""


def check_people(reader: Reader, root: Table, settings: Settings) -> None:
    """Tell of names in `notify` and `reports` that nobody has, that two have, or that lead to nobody."""
    if any(problem.where.startswith(("notify", "reports")) for problem in reader.problems):
        return  # what could not be read would be missed here, too
    for path, says in (*_wrong(settings.notify), *_wrong_reports(settings)):
        reader.tell(find(root, path), path, says)


def with_paths(reader: Reader, root: Table, settings: Settings) -> Settings:
    """Return the settings in which every `*_file` of a channel's own settings is an absolute path."""
    channels = []
    for number, channel in enumerate(settings.notify.channels):
        options = dict(channel.options)
        for name, value in channel.options.items():
            if name.endswith("_file") and isinstance(value, str):
                options[name] = reader.paths(find(root, ("notify", "channels", number, "options", name)), value)
        channels.append(channel.with_(options=options))
    return settings.with_(notify=settings.notify.with_(channels=tuple(channels)))


def _wrong(notify: Notify) -> Iterator[Wrong]:
    yield from _twice(notify)
    channels = [one.name for one in notify.channels]
    people = [one.name for one in notify.people]
    everybody = _everybody(notify)
    policies = [one.name for one in notify.policies]
    for number, channel in enumerate(notify.channels):
        if channel.via not in NOTIFIERS:
            yield ("notify", "channels", number, "via"), not_among("notifier", channel.via, NOTIFIERS)
    for number, person in enumerate(notify.people):
        here: Path = ("notify", "people", number, "channels")
        yield from _unknown("channel", person.channels, channels, here)
        if not person.channels:
            yield here, f"{person.name} cannot be reached; name at least one of notify.channels"
    for number, schedule in enumerate(notify.schedules):
        yield from _unknown("person", schedule.people, people, ("notify", "schedules", number, "people"))
        if not schedule.people:
            says = "nobody is on call; name people in turn, also beside a calendar file, which may be broken one day"
            yield ("notify", "schedules", number, "people"), says
    yield from _wrong_policies(notify, everybody)
    for number, route in enumerate(notify.routes):
        here = ("notify", "routes", number)
        yield from _unknown("person, schedule or channel", route.tell, everybody, (*here, "tell"))
        yield from _unknown("policy", (route.policy,) if route.policy else (), policies, (*here, "policy"))


def _everybody(notify: Notify) -> list[str]:
    named = [*(one.name for one in notify.people), *(one.name for one in notify.schedules)]
    return [*named, *(one.name for one in notify.channels)]


def _wrong_policies(notify: Notify, everybody: Collection[str]) -> Iterator[Wrong]:
    for number, policy in enumerate(notify.policies):
        here: Path = ("notify", "policies", number, "rungs")
        if not policy.rungs:
            yield here, f"{policy.name} has no rungs; write at least one, such as `- tell: alice`"
        for step, rung in enumerate(policy.rungs):
            yield from _unknown("person, schedule or channel", rung.tell, everybody, (*here, step, "tell"))
            if not rung.tell:
                yield (*here, step, "tell"), "nobody is told; name people, schedules or channels"


def _wrong_reports(settings: Settings) -> Iterator[Wrong]:
    notify = settings.notify
    everybody = _everybody(notify)
    yield from _unknown("person, schedule or channel", settings.reports.tell, everybody, ("reports", "tell"))


def _twice(notify: Notify) -> Iterator[Wrong]:
    """People, schedules and channels are told by the same word, so that no two of them have the same name."""
    seen: dict[str, str] = {}
    kinds = (
        ("channels", [one.name for one in notify.channels]),
        ("people", [one.name for one in notify.people]),
        ("schedules", [one.name for one in notify.schedules]),
    )
    for kind, names in kinds:
        for number, name in enumerate(names):
            yield from _empty_or_known(name, ("notify", kind, number, "name"), seen)
            seen.setdefault(name, f"notify.{kind}[{number}]")
    policies: dict[str, str] = {}
    for number, policy in enumerate(notify.policies):
        yield from _empty_or_known(policy.name, ("notify", "policies", number, "name"), policies)
        policies.setdefault(policy.name, f"notify.policies[{number}]")


def _empty_or_known(name: str, path: Path, seen: dict[str, str]) -> Iterator[Wrong]:
    if not name:
        yield path, "is empty; give it a name"
    elif name in seen:
        yield path, f"{name!r} is the name of {seen[name]} already; people, schedules and channels share their names"


def _unknown(what: str, names: Iterable[str], known: Collection[str], path: Path) -> Iterator[Wrong]:
    for number, name in enumerate(names):
        if name not in known:
            one_of_many = path[-1] in ("tell", "channels", "people")
            yield (*path, number) if one_of_many else path, not_among(what, name, known)
