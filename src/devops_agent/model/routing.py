"""Who is told of a notice, where and when, or why not: pure rules on values; the first that fits decides.

What is decided is written down as deliveries with the reason, so that "why was I (not) told?" has an answer.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from devops_agent.model.alert import Severity
from devops_agent.model.clockface import parse_hours, within, zone
from devops_agent.model.contact import Channel, Notify, Person, Route
from devops_agent.model.fact import Fact

NEEDS = frozenset({"escalated", "approval", "climbed", "reminder", "handed_over", "unmuted"})
"""Kinds of notices that need a person: every channel takes them, also as a later word of a story."""
ENDS = frozenset({"healed", "resolved"})
"""Kinds that say that the trouble is over."""
CALM = frozenset({"acted", "thawed", "acknowledged", *ENDS})
"""Kinds that can wait, however bad the trouble was that they speak of."""
SCHEDULED = frozenset({"report"})
"""Kinds whose time was chosen by people: neither quiet hours nor limits hold them back."""
KINDS = (
    "escalated", "approval", "found", "climbed", "reminder", "handed_over", "acknowledged", "unmuted", "acted",
    "healed", "resolved", "storm", "group", "digest", "frozen", "thawed", "calendar", "undeliverable", "slo", "report",
)  # fmt: skip
"""Every kind of notice."""
MANY = 3
"""Incidents of different causes that reach somebody within `RECENT` are told together from here on."""
RECENT = timedelta(minutes=5)
FRESH = timedelta(hours=1)
"""How long a message about many incidents takes up further ones."""
HOUR = timedelta(hours=1)


class Recipient(Fact, kw_only=True):
    """Where a message goes, and for whom."""

    channel: str
    person: str = ""
    """Empty: for whoever reads the channel."""


class Subject(Fact, kw_only=True):
    """What routes look at."""

    kind: str
    severity: Severity
    target: str = ""
    labels: dict[str, tuple[str, ...]] = {}
    """Label → its values over the incident's alerts."""


class Addressed(Fact, kw_only=True):
    """What the routes say."""

    tell: tuple[str, ...] = ()
    digest: tuple[str, ...] = ()
    """Those of `tell` for whom it waits for the digest."""
    policy: str = ""
    """The escalation policy of the first route that names one."""


class Standing(Fact, kw_only=True):
    """How a recipient stands to a notice."""

    off: str = ""
    """Why its channel is switched off; empty: it is not."""
    muted: str = ""
    """By whom and until when it is muted; empty: it is not."""
    over: bool = False
    """Whether the incident is over already."""
    taken: str = ""
    """Who acknowledged it before anybody was told; empty: nobody."""
    updates: bool = False
    """Whether the channel changes its first message in place."""
    known: bool = False
    """Whether it was told of the incident before."""
    troubled: bool = False
    """Whether that was of trouble whose end it was not told yet."""
    alone: bool = True
    """Whether that was in a message of the incident's own, which can be changed."""
    gathered: str = ""
    """The kind of the message of several, still to be told or changed, that has it: cause, storm, digest, overflow."""
    explained_by: str = ""
    """The incident that explains this one, and that it was told of."""
    quiet: bool = False
    digest: bool = False
    alike: str = ""
    """`cause` or `storm`: other news of this moment that it is told together with."""
    last_ring: datetime | None = None
    """When it was last told of this incident."""
    rings: int = 0
    """Messages of the last hour."""
    per_hour: int = 20


class Told(Fact, kw_only=True):
    """What is decided about a notice and a recipient."""

    says: str
    sent: bool = False
    gathers: str = ""
    """The kind of message of several that it becomes a line of: `join` (the one that has it), cause, storm, digest,
    overflow."""
    rings: bool = False
    """Whether it is a message of its own rather than a change of an earlier one."""


Rule = Callable[[str, Severity, Standing, datetime, timedelta], Told | None]


def addressed(notify: Notify, subject: Subject, *, now: datetime) -> Addressed:
    """Return whom the routes name; without routes everything goes to every channel."""
    if not notify.routes:
        return Addressed(tell=tuple(channel.name for channel in notify.channels))
    tell: dict[str, None] = {}
    digest: dict[str, None] = {}
    policy = ""
    for route in notify.routes:
        if not matches(route, subject, now=now, time_zone=notify.time_zone):
            continue
        names = [name for name in route.tell if name not in tell]
        tell.update(dict.fromkeys(names))
        if route.digest:
            digest.update(dict.fromkeys(names))
        policy = policy or route.policy
        if not route.goes_on:
            break
    return Addressed(tell=tuple(tell), digest=tuple(digest), policy=policy)


def matches(route: Route, subject: Subject, *, now: datetime, time_zone: str = "UTC") -> bool:
    """Whether a route is for this: every condition that it has has to hold."""
    return (
        (not route.severity or subject.severity.value in route.severity)
        and (not route.targets or any(fnmatchcase(subject.target, pattern) for pattern in route.targets))
        and (not route.kinds or subject.kind in route.kinds)
        and all(
            any(fnmatchcase(value, pattern) for value in subject.labels.get(label) or ("",))
            for label, pattern in route.labels.items()
        )
        and (not route.hours or within(parse_hours(route.hours), now, where=zone(time_zone)))
    )


def recipients(names: Iterable[str], notify: Notify, *, on_call: Mapping[str, str]) -> tuple[Recipient, ...]:
    """Return where these names lead; a channel that two of them lead to is used once.

    `on_call`: schedule → the person whose turn it is. Names that nobody has (any more) lead nowhere.
    """
    people = {person.name: person for person in notify.people}
    channels = {channel.name for channel in notify.channels}
    found: dict[str, Recipient] = {}
    for name in names:
        if name in channels:
            found.setdefault(name, Recipient(channel=name))
        elif person := people.get(on_call.get(name, name)):
            for channel in person.channels:
                if channel in channels:
                    found.setdefault(channel, Recipient(channel=channel, person=person.name))
    return tuple(found.values())


def switched_off(channel: Channel | None, *, pam: bool) -> str:
    """Return why nothing goes through a channel; empty: it is open."""
    if channel is None:
        return "there is no such channel any more"
    return "PAM_INTEGRATION_ENABLED is off" if channel.via == "pam" and not pam else ""


def is_quiet(person: Person | None, now: datetime) -> bool:
    """Whether these are the person's quiet hours."""
    return bool(person and person.quiet and within(parse_hours(person.quiet), now, where=zone(person.time_zone)))


def place(kind: str, severity: Severity, standing: Standing, *, now: datetime, remind_every: timedelta) -> Told:
    """Decide what becomes of a notice for one recipient."""
    for rule in RULES:
        told = rule(kind, severity, standing, now, remind_every)
        if told is not None:
            return told
    return Told(says="told at once", sent=True, rings=True)


def together(causes: Mapping[int, str], *, recent: int, storm: bool) -> dict[int, str]:
    """Return notice → `storm` or `cause` for first news that are told as one message; the others are told alone.

    Args:
        causes: notice → what lies behind its incident: the incident that explains it, else its target.
        recent: incidents that the recipient was first told of within `RECENT`.
        storm: whether a message about many incidents is open.

    """
    if storm or (causes and len(set(causes.values())) + recent >= MANY):
        return dict.fromkeys(causes, "storm")
    alike = Counter(causes.values())
    return {notice: "cause" for notice, cause in causes.items() if alike[cause] > 1}


def common_cause(targets: Sequence[str], ancestors: Callable[[str], Sequence[str]]) -> tuple[str, int]:
    """Return the target that explains most of `targets` by being what they depend on, and how many; ("", 0): none.

    It has to explain at least half of them, and two. Of equals, the nearest: it is the more likely one.
    """
    explained: Counter[str] = Counter()
    distance: Counter[str] = Counter()
    for target in dict.fromkeys(targets):
        for steps, cause in enumerate(dict.fromkeys((target, *ancestors(target)))):
            explained[cause] += 1
            distance[cause] += steps
    enough = max(2, (len(set(targets)) + 1) // 2)
    likely = [(-count, distance[cause], cause) for cause, count in explained.items() if count >= enough]
    if not likely:
        return "", 0
    count, _, cause = min(likely)
    return cause, -count


def _over(kind: str, _: Severity, standing: Standing, __: datetime, ___: timedelta) -> Told | None:
    if not standing.over or standing.troubled or kind in ENDS or kind == "acted":
        return None
    return Told(says="its end was told already" if standing.known else "it was over before anybody was told")


def _taken(kind: str, _: Severity, standing: Standing, __: datetime, ___: timedelta) -> Told | None:
    return Told(says=f"{standing.taken} has it already") if standing.taken and kind in NEEDS else None


def _switched_off(_: str, __: Severity, standing: Standing, ___: datetime, ____: timedelta) -> Told | None:
    return Told(says=f"not told: {standing.off}") if standing.off else None


def _muted(_: str, __: Severity, standing: Standing, ___: datetime, ____: timedelta) -> Told | None:
    return Told(says=f"muted {standing.muted}") if standing.muted else None


def _explained(kind: str, _: Severity, standing: Standing, __: datetime, ___: timedelta) -> Told | None:
    """What a known cause brings with it is no news, unless it needs a person for itself."""
    if standing.explained_by and not standing.known and kind not in NEEDS:
        return Told(says=f"an effect of {standing.explained_by}, which was told")
    return None


def _unheard_of(kind: str, _: Severity, standing: Standing, __: datetime, ___: timedelta) -> Told | None:
    """The end is told to those who know of trouble; what was healed alone is news of its own."""
    if kind not in ENDS or standing.troubled or (kind == "healed" and not standing.known):
        return None
    return Told(says="its end was told already" if standing.known else "nobody here was told of the trouble")


def _goes_along(kind: str, severity: Severity, standing: Standing, _: datetime, __: timedelta) -> Told | None:
    """What is in a message of several stays there: except a question, and what is urgent while that one waits."""
    waits = standing.gathered in ("digest", "overflow")
    urgent = kind == "approval" or (waits and severity is Severity.CRITICAL and kind in NEEDS)
    if urgent or not standing.gathered:
        return None
    return Told(says="told with the others that it belongs to", gathers="join")


def _later_word(kind: str, _: Severity, standing: Standing, __: datetime, ___: timedelta) -> Told | None:
    """A story stays one message: channels that can, change it; others get only what needs a person, and the end."""
    if not standing.known or kind in NEEDS:
        return None
    if standing.updates and standing.alone:
        return Told(says="changes the message that was sent", sent=True)
    if kind in ENDS or (kind == "acted" and standing.over):
        return None
    return Told(says="no message of its own: nothing here needs a person")


def _waits(kind: str, severity: Severity, standing: Standing, _: datetime, __: timedelta) -> Told | None:
    if _urgent(kind, severity, standing) or kind in SCHEDULED or not (standing.quiet or standing.digest):
        return None
    why = "quiet hours" if standing.quiet else "its route says so"
    if kind == "reminder":
        return Told(says=f"no reminder: {why}")
    return Told(says=f"waits for the digest: {why}", gathers="digest")


def _belongs_together(kind: str, _: Severity, standing: Standing, __: datetime, ___: timedelta) -> Told | None:
    if kind == "storm":
        return Told(says="told together with what belongs to it", gathers="storm")
    if not standing.alike or standing.known or kind == "approval":
        return None
    why = "the same cause" if standing.alike == "cause" else "many incidents at once"
    return Told(says=f"told together with others: {why}", gathers=standing.alike)


def _crowded(kind: str, severity: Severity, standing: Standing, now: datetime, every: timedelta) -> Told | None:
    """Above the limit of an hour only what is critical passes, and each story once in `every`."""
    if standing.rings < standing.per_hour or kind in SCHEDULED:
        return None
    rested = standing.last_ring is None or now - standing.last_ring >= every
    if rested and _urgent(kind, severity, standing):
        return None
    says = f"{standing.rings} messages within an hour, the limit is {standing.per_hour}: told later, together"
    return Told(says=says, gathers="overflow")


def _urgent(kind: str, severity: Severity, standing: Standing) -> bool:
    return severity is Severity.CRITICAL and (kind not in CALM or (kind in ENDS and standing.troubled))


RULES: tuple[Rule, ...] = (
    _switched_off,
    _over,
    _taken,
    _muted,
    _explained,
    _unheard_of,
    _goes_along,
    _later_word,
    _waits,
    _belongs_together,
    _crowded,
)
