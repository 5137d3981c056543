"""The settings with which a container is made again: what it was told, without what its image says; pure."""

from collections.abc import Mapping
from typing import Any

from devops_agent.plugins.docker.client import Json

_FROM_IMAGE = (
    "User",
    "WorkingDir",
    "Entrypoint",
    "Cmd",
    "Healthcheck",
    "StopSignal",
    "Shell",
    "OnBuild",
    "ArgsEscaped",
)
_SETS = ("Volumes", "ExposedPorts")
_NO_ENDPOINTS = ("host", "none", "default", "bridge")


def settings_like(container: Json, *, image: str, old_image: Json | None, labels: Mapping[str, str]) -> Json:
    """Return the body with which the engine makes a container like `container` from `image`.

    What came from `old_image` (None: it is gone, so nothing can be told apart) is left out: the new image has its own.
    `labels` are added. Anonymous volumes are taken along. Only the first network is in it; see `more_networks`.
    """
    config = dict(container["Config"])
    if old_image is not None:
        config = _without(config, old_image.get("Config") or {})
    config["Image"] = image
    config["Labels"] = {**(config.get("Labels") or {}), **labels}
    mode = str(container["HostConfig"].get("NetworkMode") or "default")
    if mode.startswith("container:"):
        for key in ("Hostname", "Domainname", "ExposedPorts"):
            config.pop(key, None)
    elif config.get("Hostname") == container["Id"][:12]:
        config.pop("Hostname")
    host = dict(container["HostConfig"])
    host["Binds"] = [*(host.get("Binds") or ()), *_anonymous_volumes(container)]
    first = next(iter(_endpoints(container).items()), None)
    networking = {"EndpointsConfig": dict([first])} if first else {}
    return {**config, "HostConfig": host, "NetworkingConfig": networking}


def replica_of(settings: Json) -> Json:
    """Return the same settings for a further container beside the first: nothing in them that only one may have."""
    alone = {key: value for key, value in settings.items() if key not in {"Hostname", "MacAddress"}}
    endpoints = settings["NetworkingConfig"].get("EndpointsConfig") or {}
    free = {name: _without_address(endpoint) for name, endpoint in endpoints.items()}
    return {**alone, "NetworkingConfig": {"EndpointsConfig": free} if free else {}}


def more_networks(container: Json, *, own_addresses: bool = True) -> dict[str, Json]:
    """Return the networks after the first with their settings: older engines take one only when a container is made."""
    further = list(_endpoints(container).items())[1:]
    return {name: endpoint if own_addresses else _without_address(endpoint) for name, endpoint in further}


def fixed_ports(container: Json) -> list[int]:
    """Return the host's ports that a container asks for by number, which a second one cannot have."""
    wanted = container["HostConfig"].get("PortBindings") or {}
    ports = [str(binding.get("HostPort") or "") for bindings in wanted.values() for binding in bindings or ()]
    return sorted({int(port) for port in ports if port.isdecimal() and int(port)})


def _without(config: Json, image: Json) -> Json:
    left = dict(config)
    # An entry point of its own makes the engine ignore the image's command, so then the command has to be said.
    own_entry = config.get("Entrypoint") != image.get("Entrypoint")
    for key in _FROM_IMAGE:
        if key in left and left[key] == image.get(key) and not (key == "Cmd" and own_entry):
            del left[key]
    for key in _SETS:
        left[key] = {name: value for name, value in (left.get(key) or {}).items() if name not in (image.get(key) or {})}
    left["Env"] = [line for line in left.get("Env") or () if line not in (image.get("Env") or ())]
    inherited = image.get("Labels") or {}
    left["Labels"] = {k: v for k, v in (left.get("Labels") or {}).items() if inherited.get(k) != v}
    return left


def _anonymous_volumes(container: Json) -> list[str]:
    host = container["HostConfig"]
    said = {bind.split(":")[1] for bind in host.get("Binds") or () if ":" in bind}
    said |= {mount.get("Target") for mount in host.get("Mounts") or ()}
    return [
        f"{mount['Name']}:{mount['Destination']}" + ("" if mount.get("RW", True) else ":ro")
        for mount in container.get("Mounts") or ()
        if mount.get("Type") == "volume" and mount.get("Name") and mount["Destination"] not in said
    ]


def _endpoints(container: Json) -> dict[str, Json]:
    """Return the networks that a container was connected to by name, that of its network mode first."""
    mode = str(container["HostConfig"].get("NetworkMode") or "default")
    if mode in _NO_ENDPOINTS or mode.startswith("container:"):
        return {}
    found: Mapping[str, Any] = (container.get("NetworkSettings") or {}).get("Networks") or {}
    ordered = sorted(found.items(), key=lambda entry: (entry[0] != mode, entry[0]))
    return {name: _endpoint(endpoint or {}, own=container["Id"][:12]) for name, endpoint in ordered}


def _endpoint(endpoint: Json, *, own: str) -> Json:
    kept = {key: endpoint[key] for key in ("IPAMConfig", "Links", "DriverOpts") if endpoint.get(key)}
    aliases = [alias for alias in endpoint.get("Aliases") or () if alias != own]
    return {**kept, **({"Aliases": aliases} if aliases else {})}


def _without_address(endpoint: Json) -> Json:
    return {key: value for key, value in endpoint.items() if key != "IPAMConfig"}
