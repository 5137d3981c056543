import pytest

from devops_agent.model.directory import Directory
from devops_agent.model.target import Target

DIRECTORY = Directory(
    [
        Target(name="web", depends_on=("api", "cache"), group="front"),
        Target(name="web-2", group="front"),
        Target(name="api", ref="api-container", aliases=("api.internal",), depends_on=("db",)),
        Target(name="db"),
        Target(name="cache", depends_on=("db",)),
    ]
)


@pytest.mark.parametrize(
    ("labels", "target", "name", "label"),
    [
        ({"service": "api"}, "api", "api", "service"),
        ({"container": "api-container"}, "api", "api-container", "container"),
        ({"instance": "api.internal"}, "api", "api.internal", "instance"),
        ({"service": "unheard of", "container": "db"}, "db", "db", "container"),
        ({"service": " db "}, "db", "db", "service"),
        ({"devops_agent_target": "web", "service": "api"}, "web", "web", "devops_agent_target"),
        ({"job": "unheard of", "pod": "p"}, None, "unheard of", "job"),
        ({"team": "api"}, None, "", ""),
    ],
)
def test_an_alert_speaks_of_the_first_target_that_a_label_names(
    labels: dict[str, str], target: str | None, name: str, label: str
) -> None:
    found = DIRECTORY.find(labels)
    assert (found[0].name if found[0] else None, found[1], found[2]) == (target, name, label)


def test_a_name_goes_before_an_alias() -> None:
    directory = Directory([Target(name="a", aliases=("b",)), Target(name="b")])
    found, _, _ = directory.find({"service": "b"})
    assert found is not None
    assert found.name == "b"


def test_what_a_target_depends_on_is_told_nearest_first() -> None:
    assert DIRECTORY.ancestors("web") == ["api", "cache", "db"]
    assert DIRECTORY.ancestors("db") == []
    assert DIRECTORY.ancestors("unheard of") == []


def test_what_depends_on_a_target_is_told_nearest_first() -> None:
    assert DIRECTORY.dependants("db") == ["api", "cache", "web"]
    assert DIRECTORY.dependants("web") == []


def test_a_dependency_that_nobody_watches_is_told_too() -> None:
    directory = Directory([Target(name="web", depends_on=("cloud",))])
    assert (directory.ancestors("web"), directory.dependants("cloud")) == (["cloud"], ["web"])


def test_dependencies_in_a_ring_end() -> None:
    ring = Directory(
        [
            Target(name="a", depends_on=("b",)),
            Target(name="b", depends_on=("c", "b")),
            Target(name="c", depends_on=("a",)),
        ]
    )
    assert ring.ancestors("a") == ["b", "c"]
    assert ring.dependants("a") == ["c", "b"]


def test_a_group_has_all_its_members_and_a_loner_only_itself() -> None:
    web, db = DIRECTORY.get("web"), DIRECTORY.get("db")
    assert web is not None
    assert db is not None
    assert [member.name for member in DIRECTORY.group_of(web)] == ["web", "web-2"]
    assert DIRECTORY.group_of(db) == [db]


def test_only_the_name_itself_gets_a_target() -> None:
    assert DIRECTORY.get("api-container") is None
    assert len(DIRECTORY) == len(list(DIRECTORY)) == 5
