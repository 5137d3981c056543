"""`agent.yaml` and the environment → `Settings`; whatever is wrong is told at once, with line and way out."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import msgspec

from devops_agent.config.people import check_people, with_paths
from devops_agent.config.problems import ConfigError, Problem, not_among
from devops_agent.config.read import Reader, absolute, keys_of
from devops_agent.config.settings import Flags, Settings
from devops_agent.config.targets import VIAS, read_targets
from devops_agent.config.tree import Scalar, Table, find, parse_tree, put
from devops_agent.model.fact import Fact

PREFIX = "DEVOPS_AGENT_"
SHORT_NAMES: Mapping[str, tuple[str, ...]] = {
    "DEVOPS_AGENT_STORE": ("store",),
    "DEVOPS_AGENT_STORE_PASSWORD_FILE": ("store_password_file",),
    "DEVOPS_AGENT_STATE_DIR": ("state_dir",),
    "DEVOPS_AGENT_LISTEN": ("web", "listen"),
    "DEVOPS_AGENT_LOG_LEVEL": ("log", "level"),
    **{flag: ("flags", flag) for flag in Flags.__struct_fields__},
}
"""Environment variables → the settings that they win over. Every other one is `DEVOPS_AGENT_<SECTION>__<FIELD>`."""

PATH_NAME = "DEVOPS_AGENT_CONFIG"
PLACES = (Path("agent.yaml"), Path("/etc/devops-agent/agent.yaml"))
"""Where the file is looked for when nobody says where it is."""


def find_config(given: Path | None, *, environ: Mapping[str, str]) -> Path | None:
    """Return the file to load: `given`, else what `DEVOPS_AGENT_CONFIG` names, else the first of PLACES that exists."""
    if given is not None:
        return given
    if named := environ.get(PATH_NAME):
        return Path(named)
    return next((place for place in PLACES if place.is_file()), None)


def load(path: Path | None, *, environ: Mapping[str, str], via: Collection[str] = VIAS) -> Settings:
    """Return the settings of `path` and `environ`; without a file, those of `environ` and the defaults.

    `via` are the plugins that act on targets. Relative paths, `state_dir` too, start at the file's folder; all paths
    in the result are absolute.

    Raises:
        ConfigError: the file cannot be read, or something in it or in the environment does not fit.

    """
    if path is None:
        return parse(b"", file="", base=Path.cwd(), environ=environ, via=via)
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError([Problem(file=str(path), says=f"cannot be read: {reason}")]) from error
    return parse(content, file=str(path), base=path.absolute().parent, environ=environ, via=via)


def parse(
    content: bytes, *, file: str, base: Path, environ: Mapping[str, str], via: Collection[str] = VIAS
) -> Settings:
    """Return the settings that `content` says; `file` is its name in problems, `base` where relative paths start.

    Raises:
        ConfigError: something in it or in the environment does not fit.

    """
    root, problems = parse_tree(content, file=file, variables=environ)
    reader = Reader(base)
    reader.problems += problems
    root = with_environment(root, environ, reader)
    fields = reader.fields(root, Settings, (), skip=("targets", "plugins")) or {}
    settings = Settings(**fields, source=file)
    settings = settings.with_(
        state_dir=absolute(settings.state_dir, base),
        store=_store(settings.store, root, reader),
        plugins=_plugins(root, reader),
    )
    settings = settings.with_(targets=read_targets(reader, root, settings=settings, via=via))
    settings = with_paths(reader, root, settings)
    check_people(reader, root, settings)
    if reader.problems:
        raise ConfigError(reader.problems)
    return settings


def with_environment(root: Table, environ: Mapping[str, str], reader: Reader) -> Table:
    """Return the tree in which the environment's values stand where the file had its own."""
    for name, value in sorted(environ.items()):
        path = SHORT_NAMES.get(name) or _path_of(name)
        if not value or path is None:
            continue
        leaf = Scalar(file=f"${name}", line=0, column=0, text=value)
        if says := _not_settable(path):
            reader.tell(leaf, (), says)
        else:
            root = put(root, path, leaf)
    return root


def _path_of(name: str) -> tuple[str, ...] | None:
    """Return the place that `DEVOPS_AGENT_GUARD__STRIKES__COUNT` names; None for names that are not for settings.

    A container engine or Kubernetes may set others with our prefix, such as `DEVOPS_AGENT_PORT`.
    """
    if not name.startswith(PREFIX) or "__" not in name:
        return None
    section, *rest = name.removeprefix(PREFIX).split("__")
    keep_case = section.lower() == "flags"
    return (section.lower(), *(part if keep_case else part.lower() for part in rest))


def _not_settable(path: tuple[str, ...]) -> str:
    """Return why there is no single value at `path`; empty: there is."""
    kind: Any = Settings
    for place, part in enumerate(path):
        if not (isinstance(kind, type) and issubclass(kind, Fact)):
            return "" if path[0] == "plugins" else f"{'.'.join(path[:place])} is no table"
        known = keys_of(kind)
        if part not in known:
            return not_among("setting", part, known)
        kind = known[part].type
    if path[0] in ("targets", "maintenance") or (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return f"{path[0]} is more than one value; write it in agent.yaml"
    return "" if path != ("plugins",) else "name the plugin and the setting: DEVOPS_AGENT_PLUGINS__DOCKER__SOCKET"


def _store(store: str, root: Table, reader: Reader) -> str:
    """Return the store with SQLite's file as an absolute path: `sqlite:///agent.db` starts at the file's folder."""
    scheme = "sqlite:///"
    if not store.startswith(scheme):
        return store
    return f"{scheme}{reader.paths(find(root, ('store',)), store.removeprefix(scheme))}"


_PLUGIN = re.compile(r"[a-z][a-z0-9_]*")


def _plugins(root: Table, reader: Reader) -> dict[str, dict[str, Any]]:
    """Return each plugin's own settings, in which every `*_file` is an absolute path."""
    node = find(root, ("plugins",))
    if node is root:
        return {}
    read = reader.value(node, dict[str, dict[str, object]], ("plugins",))
    if not isinstance(read, dict):
        return {}
    for plugin, values in read.items():
        if not _PLUGIN.fullmatch(plugin):
            reader.tell(find(node, (plugin,)), ("plugins", plugin), "is no plugin's name; write one such as docker")
        for key, value in values.items():
            if key.endswith("_file") and isinstance(value, str):
                values[key] = reader.paths(find(node, (plugin, key)), value)
    return read
