"""The short forms in which targets are written, and the targets that they stand for."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar
from urllib.parse import urlsplit

from devops_agent.config.problems import not_among
from devops_agent.config.read import Reader
from devops_agent.config.settings import Settings
from devops_agent.config.shape import SHAPES, Form, Shape
from devops_agent.config.tree import Items, Node, Path, Scalar, find
from devops_agent.model.fact import Fact, to_json
from devops_agent.model.target import Check, Target, Thresholds, Trust

VIAS = ("docker", "process", "supervisord", "systemd")
"""Plugins that act on targets, and the short words for them."""

_PATH_OPTIONS = frozenset({"cwd", "log"})
"""Options that are paths, beside those that end in `_file`."""

RESOURCES = ("memory_percent", "disk_percent", "cpu_percent")
_URL = Form(pattern=r"https?://[^\s/]+\S*", example="http://127.0.0.1:8000")
_URL_OR_NONE = Form(pattern="|" + _URL.pattern, example=_URL.example)
_NAME = Form(pattern=r"|[A-Za-z0-9][A-Za-z0-9_.:/@-]{0,127}", example="letters, digits and _.:/@-, such as shop-web")
_ADDRESS = Form(pattern=r"(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}", example="127.0.0.1:5432")
_DEFAULT_PATHS = (
    ("health", Check(name="health", url="/health")),
    (
        "resources",
        Check(name="resources", url="/health/resources", vital=False, fields={name: name for name in RESOURCES}),
    ),
    ("status", Check(name="status", url="/status", vital=False, every=10)),
    ("system", Check(name="system", url="/health/system", vital=False, every=4)),
)


class ProbeForm(Fact, kw_only=True):
    """A request of your own, made in every poll: what users do, with the answer that they have to get."""

    SHAPE: ClassVar[Shape] = Shape(rules={**SHAPES[Check].rules, "url": _URL_OR_NONE})

    name: str = ""
    """Shown in timelines; empty: the path."""
    path: str = ""
    """Below the target's `url`."""
    url: str = ""
    """The whole URL, when it is not below the target's."""
    method: str = ""
    """Empty: POST with `json` or `body`, else GET."""
    json: object = None
    """Sent as JSON: `{timeframe: 1h}`."""
    body: str = ""
    """Sent as it is."""
    headers: dict[str, str] = {}
    """Sent with it."""
    expect_status: tuple[int, ...] = (200, 201, 202, 204)
    """Any of them counts as well."""
    expect_json: dict[str, object] = {}
    """Dotted path → value that has to be in the answer."""
    expect_body: str = ""
    """A text that has to be in the answer."""
    fields: dict[str, str] = {}
    """Reading → dotted path in the answer."""
    max_latency: timedelta | None = None
    """An answer that takes longer counts as failed."""
    timeout: timedelta | None = None
    """None: `polling.timeout`."""
    every: int = 1
    """Make it in every nth poll only."""
    vital: bool = True
    """Whether its failure means that the target is in trouble; else it only brings readings."""


class TargetForm(Fact, kw_only=True):
    """A service, container, unit, worker or host that is watched, and acted on unless `manage: false` is said."""

    SHAPE: ClassVar[Shape] = Shape(
        rules={
            **SHAPES[Target].rules,
            "name": _NAME,
            "url": _URL_OR_NONE,
        }
    )

    name: str = ""
    """How people and alerts call it; empty: what the acting plugin calls it."""
    docker: str | dict[str, object] = ""
    """A container's name; or a table with `name` and the plugin's options."""
    process: str | dict[str, object] = ""
    """A process's name; or a table with `name` and the plugin's options, such as how to start it."""
    systemd: str | dict[str, object] = ""
    """A unit; or a table with `name` and the plugin's options."""
    supervisord: str | dict[str, object] = ""
    """A program; or a table with `name` and the plugin's options."""
    via: str = ""
    """The plugin that acts on it, in the long form; with `ref`."""
    ref: str = ""
    """What that plugin calls it."""
    url: str = ""
    """`http://host:port`: asks `/health`, `/health/resources`, `/status` and `/health/system`."""
    paths: dict[str, str | bool] = {}
    """Other paths for `health`, `resources`, `status`, `system`; `false` leaves one out."""
    fields: dict[str, str] = {}
    """Reading → dotted path in the answer of `resources`: `memory_percent: memory.percent`."""
    headers: dict[str, str] = {}
    """Sent with every request to `url`."""
    tcp: tuple[str, ...] = ()
    """`host:port` that has to take connections; one or a list."""
    probes: tuple[ProbeForm, ...] = ()
    """Requests of your own."""
    thresholds: Thresholds | None = None
    """Its own limits; what is not written comes from the general ones."""
    objective: float | None = None
    """Share of the time, such as 0.999, that it is to be well over 30 days."""
    start_period: timedelta = timedelta(seconds=30)
    """How long after a start failures do not count."""
    manage: bool = True
    """Whether it may be acted on; false: watched only."""
    trust: Trust | None = None
    """A ceiling for this target: observe, ask, notify or auto."""
    depends_on: tuple[str, ...] = ()
    """Names of targets without which it cannot be well."""
    group: str = ""
    """Members of one group stand in for each other."""
    min_healthy: float = 0.5
    """Share of the group's members that has to stay healthy while one is acted on."""
    labels: dict[str, str] = {}
    """Of your own; runbooks may match them and fill them in."""
    aliases: tuple[str, ...] = ()
    """Other names under which alerts may speak of it."""
    clean: tuple[dict[str, object], ...] = ()
    """What may be removed or compressed when its disk fills."""
    options: dict[str, object] = {}
    """What the acting plugin needs beside the name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Writing:
    """What the conversion of one target needs beside its form."""

    reader: Reader
    root: Node
    settings: Settings
    via: Collection[str]

    def tell(self, path: Path, says: str) -> None:
        """Note a problem at `path`."""
        self.reader.tell(find(self.root, path), path, says)


def read_targets(reader: Reader, root: Node, *, settings: Settings, via: Collection[str]) -> tuple[Target, ...]:
    """Return the targets below `targets`; `settings` gives the general limits, `via` the plugins that act."""
    nodes = find(root, ("targets",))
    if nodes is root:
        return ()
    if not isinstance(nodes, Items):
        if not (isinstance(nodes, Scalar) and nodes.empty):
            reader.tell(nodes, ("targets",), "is no list; begin each target with `- name: `")
        return ()
    writing = Writing(reader=reader, root=root, settings=settings, via=via)
    targets: list[tuple[int, Target]] = []
    for index, node in enumerate(nodes.items):
        path: Path = ("targets", index)
        before = len(reader.problems)
        form = reader.struct(node, TargetForm, path)
        told = reader.problems[before:]
        if form is not None and (target := _target(form, node, path, writing)):
            targets.append((index, target))
        if told:
            # What a target lacks because a value of it is wrong is no problem of its own.
            reader.problems[before:] = told
    _check_together(targets, writing, complete=len(targets) == len(nodes.items))
    return tuple(target for _, target in targets)


def _target(form: TargetForm, node: Node, path: Path, writing: Writing) -> Target | None:
    via, ref, options = _acting(form, path, writing)
    name = form.name or ref
    if not name:
        writing.tell(path, "a target needs a name; write `name: shop-web`")
        return None
    target = Target(
        name=name,
        via=via,
        ref=ref or (name if via else ""),
        managed=form.manage,
        trust=form.trust,
        depends_on=form.depends_on,
        group=form.group,
        min_healthy=form.min_healthy,
        labels=form.labels,
        aliases=form.aliases,
        checks=_checks(form, via, path, writing),
        thresholds=_thresholds(node, path, writing),
        objective=form.objective,
        start_period=form.start_period,
        options={
            **_options(form.options, (*path, "options"), writing),
            **options,
            **({"clean": list(form.clean)} if form.clean else {}),
        },
    )
    if not target.checks and not form.clean:
        words = ", ".join(sorted(writing.via))
        writing.tell(path, f"there is nothing to look at; give it a url, tcp, probes, or what acts on it: {words}")
    return target


def _acting(form: TargetForm, path: Path, writing: Writing) -> tuple[str, str, dict[str, object]]:
    """Return (plugin, what it calls the target, its options)."""
    short = {word: value for word in VIAS if (value := getattr(form, word))}
    said = [*short, *(["via"] if form.via else [])]
    if len(said) > 1:
        writing.tell((*path, said[1]), f"one plugin acts on a target, and {said[0]!r} is said already")
    if form.via:
        if form.via not in writing.via:
            writing.tell((*path, "via"), not_among("plugin that acts", form.via, writing.via))
        return form.via, form.ref, {}
    if form.ref:
        writing.tell((*path, "ref"), "belongs to `via`; say which plugin acts on the target")
    for word, value in short.items():
        if word not in writing.via:
            writing.tell((*path, word), not_among("plugin that acts", word, writing.via))
        if isinstance(value, str):
            return word, value, {}
        options = _options(value, (*path, word), writing)
        ref = options.pop("name", "")
        if not isinstance(ref, str | int):
            writing.tell((*path, word, "name"), "is no text")
        return word, str(ref), options
    return "", "", {}


def _options(values: Mapping[str, object], path: Path, writing: Writing) -> dict[str, object]:
    """Return a plugin's options, with absolute paths."""
    return {
        key: writing.reader.paths(find(writing.root, (*path, key)), value)
        if isinstance(value, str) and (key.endswith("_file") or key in _PATH_OPTIONS)
        else value
        for key, value in values.items()
    }


def _thresholds(node: Node, path: Path, writing: Writing) -> Thresholds:
    general = writing.settings.thresholds
    own = find(node, ("thresholds",))
    if own is node:
        return general
    before = list(writing.reader.problems)
    read = writing.reader.struct(own, Thresholds, (*path, "thresholds"), base=general)
    writing.reader.problems[:] = before  # the form was read before and has told them
    return read or general


def _checks(form: TargetForm, via: str, path: Path, writing: Writing) -> tuple[Check, ...]:
    timeout = writing.settings.polling.timeout
    checks = [Check(name="state", kind="state", timeout=timeout)] if via else []
    checks += _url_checks(form, path, writing)
    for index, address in enumerate(form.tcp):
        if refused := _ADDRESS.refuses(address):
            writing.tell((*path, "tcp", index), refused)
        name = "tcp" if len(form.tcp) == 1 else f"tcp {address}"
        checks.append(Check(name=name, kind="tcp", url=address, timeout=timeout))
    for index, probe in enumerate(form.probes):
        check = _probe(probe, form, (*path, "probes", index), writing)
        if check.name in {known.name for known in checks}:
            writing.tell((*path, "probes", index), f"there is a check {check.name!r} already; give this one a `name`")
        checks.append(check)
    return tuple(checks)


def _url_checks(form: TargetForm, path: Path, writing: Writing) -> list[Check]:
    known = dict(_DEFAULT_PATHS)
    for key, where in form.paths.items():
        if key not in known:
            writing.tell((*path, "paths", key), not_among("path", key, known))
        elif isinstance(where, str) and not where.startswith("/"):
            says = f"{where!r} is no path; begin it with /, or write false to leave it out"
            writing.tell((*path, "paths", key), says)
    if not form.url:
        for key in ("paths", "fields", "headers"):
            if getattr(form, key):
                writing.tell((*path, key), "says how `url` is asked, and there is no `url`")
        return []
    _check_port(form.url, (*path, "url"), writing)
    checks = []
    for key, check in known.items():
        where = form.paths.get(key, check.url)
        if where is False:
            continue
        if key == "resources":
            check = check.with_(fields={**check.fields, **form.fields})  # noqa: PLW2901 — the same check, more exact
        url = _join(form.url, check.url if where is True else str(where))
        timeout = writing.settings.polling.timeout
        checks.append(check.with_(url=url, headers=form.headers, timeout=timeout))
    return checks


def _probe(probe: ProbeForm, form: TargetForm, path: Path, writing: Writing) -> Check:
    if probe.url and probe.path:
        writing.tell((*path, "path"), "`url` says everything; write one of the two")
    if not probe.url and not (probe.path and form.url):
        writing.tell(path, "a probe needs a `path` below the target's `url`, or a `url` of its own")
    if probe.json is not None and probe.body:
        writing.tell((*path, "body"), "`json` is the body; write one of the two")
    sends_json = probe.json is not None
    headers = {**(form.headers if probe.path else {}), **probe.headers}
    if sends_json and "content-type" not in {name.lower() for name in headers}:
        headers["Content-Type"] = "application/json"
    return Check(
        name=probe.name or probe.path or probe.url,
        url=probe.url or _join(form.url, probe.path),
        method=probe.method or ("POST" if sends_json or probe.body else "GET"),
        body=to_json(probe.json) if sends_json else probe.body,
        headers=headers,
        expect_status=probe.expect_status,
        expect_json=probe.expect_json,
        expect_body=probe.expect_body,
        fields=probe.fields,
        max_latency=probe.max_latency,
        timeout=probe.timeout or writing.settings.polling.timeout,
        every=probe.every,
        vital=probe.vital,
    )


def _join(base: str, path: str) -> str:
    return f"{base.rstrip('/')}/{path.lstrip('/')}"


def _check_port(url: str, path: Path, writing: Writing) -> None:
    try:
        urlsplit(url).port  # noqa: B018 — it is read for its error
    except ValueError:
        writing.tell(path, f"{url!r} is no URL; write {_URL.example}")


def _check_together(targets: list[tuple[int, Target]], writing: Writing, *, complete: bool) -> None:
    """Tell of names used twice, of dependencies that there are not (only when `complete`), and of rings."""
    names: dict[str, int] = {}
    for index, target in targets:
        if target.name in names:
            writing.tell(("targets", index, "name"), f"there is a target {target.name!r} already; names are unique")
        names.setdefault(target.name, index)
    needs = {target.name: target.depends_on for _, target in targets}
    for index, target in targets:
        path: Path = ("targets", index, "depends_on")
        for place, other in enumerate(target.depends_on):
            if other not in names and complete:
                writing.tell((*path, place), not_among("target", other, names))
        if ring := _ring(target.name, needs):
            writing.tell(path, f"depends on itself: {' → '.join(ring)}")
            return


def _ring(name: str, needs: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return the way from `name` back to itself; empty when there is none."""
    came_from: dict[str, str] = {}
    waiting = [name]
    while waiting:
        here = waiting.pop()
        for other in needs.get(here, ()):
            if other == name:
                way = [name, here]
                while way[-1] != name:
                    way.append(came_from[way[-1]])
                return way[::-1]
            if other not in came_from:
                came_from[other] = here
                waiting.append(other)
    return []
