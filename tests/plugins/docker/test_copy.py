"""The settings with which a container is made again."""

from devops_agent.plugins.docker.copy import fixed_ports, more_networks, replica_of, settings_like

IMAGE = {
    "Id": "sha256:old",
    "Config": {
        "Env": ["PATH=/bin", "VERSION=2"],
        "Cmd": ["serve"],
        "Entrypoint": ["/init"],
        "WorkingDir": "/app",
        "User": "",
        "Labels": {"version": "2", "vendor": "us"},
        "Volumes": {"/data": {}},
        "ExposedPorts": {"80/tcp": {}},
    },
}
CONTAINER = {
    "Id": "0123456789abcdef",
    "Config": {
        "Hostname": "0123456789ab",
        "Env": ["MODE=live", "PATH=/bin", "VERSION=2"],
        "Cmd": ["serve"],
        "Entrypoint": ["/init"],
        "WorkingDir": "/srv",
        "User": "",
        "Labels": {"version": "2", "vendor": "them", "team": "shop"},
        "Volumes": {"/data": {}, "/more": {}},
        "ExposedPorts": {"80/tcp": {}},
        "Image": "shop:2",
    },
    "HostConfig": {
        "NetworkMode": "front",
        "Binds": ["/etc/shop:/etc/shop:ro"],
        "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}], "81/tcp": [{"HostPort": ""}]},
        "RestartPolicy": {"Name": "always"},
    },
    "Mounts": [
        {"Type": "bind", "Source": "/etc/shop", "Destination": "/etc/shop"},
        {"Type": "volume", "Name": "a1b2", "Destination": "/data", "RW": True},
        {"Type": "volume", "Name": "c3d4", "Destination": "/more", "RW": False},
    ],
    "NetworkSettings": {
        "Networks": {
            "back": {
                "IPAMConfig": {"IPv4Address": "10.1.0.9"},
                "Aliases": ["web", "0123456789ab"],
                "Gateway": "10.1.0.1",
            },
            "front": {"IPAMConfig": None, "Aliases": None, "MacAddress": "02:42:ac:11:00:02"},
        }
    },
}


def test_what_came_from_the_old_image_is_left_to_the_new_one() -> None:
    made = settings_like(CONTAINER, image="shop:1", old_image=IMAGE, labels={"mark": "1"})
    assert made["Image"] == "shop:1"
    assert made["Env"] == ["MODE=live"]
    assert made["Labels"] == {"vendor": "them", "team": "shop", "mark": "1"}
    assert (made.get("Cmd"), made.get("Entrypoint"), made["WorkingDir"]) == (None, None, "/srv")
    assert (made["Volumes"], made["ExposedPorts"]) == ({"/more": {}}, {})
    assert "Hostname" not in made
    assert CONTAINER["Config"]["Image"] == "shop:2"  # type: ignore[index]  # the original is as it was


def test_without_the_old_image_everything_is_kept() -> None:
    made = settings_like(CONTAINER, image="shop:1", old_image=None, labels={})
    assert made["Env"] == ["MODE=live", "PATH=/bin", "VERSION=2"]
    assert made["Cmd"] == ["serve"]


def test_a_command_stays_with_an_entry_point_of_its_own() -> None:
    own = {**CONTAINER, "Config": {**CONTAINER["Config"], "Entrypoint": ["/own"]}}  # type: ignore[dict-item]
    made = settings_like(own, image="shop:1", old_image=IMAGE, labels={})
    assert (made["Entrypoint"], made["Cmd"]) == (["/own"], ["serve"])


def test_anonymous_volumes_are_taken_along() -> None:
    made = settings_like(CONTAINER, image="shop:1", old_image=IMAGE, labels={})
    assert made["HostConfig"]["Binds"] == ["/etc/shop:/etc/shop:ro", "a1b2:/data", "c3d4:/more:ro"]


def test_the_network_of_its_mode_comes_first_and_the_others_are_joined() -> None:
    made = settings_like(CONTAINER, image="shop:1", old_image=IMAGE, labels={})
    assert made["NetworkingConfig"] == {"EndpointsConfig": {"front": {}}}
    assert more_networks(CONTAINER) == {"back": {"IPAMConfig": {"IPv4Address": "10.1.0.9"}, "Aliases": ["web"]}}


def test_a_replica_takes_no_address_and_no_name_of_the_first() -> None:
    named = {**CONTAINER, "Config": {**CONTAINER["Config"], "Hostname": "web"}}  # type: ignore[dict-item]
    alike = replica_of(settings_like(named, image="shop:2", old_image=None, labels={}))
    assert "Hostname" not in alike
    assert more_networks(CONTAINER, own_addresses=False) == {"back": {"Aliases": ["web"]}}
    assert fixed_ports(CONTAINER) == [8080]


def test_a_container_in_anothers_network_keeps_to_it() -> None:
    inside = {**CONTAINER, "HostConfig": {**CONTAINER["HostConfig"], "NetworkMode": "container:ffff"}}  # type: ignore[dict-item]
    made = settings_like(inside, image="shop:1", old_image=None, labels={})
    assert (made["NetworkingConfig"], more_networks(inside)) == ({}, {})
    assert made.keys().isdisjoint({"Hostname", "ExposedPorts"})
