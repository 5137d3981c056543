"""What labels make of containers."""

import pytest

from devops_agent.model.target import Target, Trust
from devops_agent.plugins.docker.inventory import targets_of


def container(name: str) -> dict[str, object]:
    return {
        "Names": [f"/{name}"],
        "Labels": {},
        "Image": "registry.example:5000/shop/web:2",
        "State": "running",
        "Status": "Up 2 hours",
    }


def only(target: dict[str, object]) -> Target:
    [found] = targets_of([target])
    return found


@pytest.mark.parametrize(
    ("labels", "managed"),
    [
        ({}, None),
        ({"devops-agent.enable": "true"}, True),
        ({"devops-agent.enable": "Yes"}, True),
        ({"devops-agent.enable": "false"}, False),
        ({"devops-agent.enable": "perhaps"}, False),
        ({"autoheal": "true"}, True),
        ({"autoheal": "true", "devops-agent.enable": "false"}, False),
        ({"autoheal": "false", "devops-agent.enable": "true"}, False),
        ({"autoheal": "true", "autoheal.action": "restart"}, True),
        ({"autoheal": "true", "autoheal.action": "stop"}, False),
    ],
)
def test_labels_opt_in_and_out_and_no_outweighs_yes(labels: dict[str, str], *, managed: bool | None) -> None:
    assert only({**container("web"), "Labels": labels}).managed is managed


@pytest.mark.parametrize(("word", "trust"), [("ask", Trust.ASK), ("AUTO", Trust.AUTO), ("nonsense", Trust.OBSERVE)])
def test_the_trust_label_is_a_ceiling_and_nonsense_means_the_least(word: str, trust: Trust) -> None:
    assert only({**container("web"), "Labels": {"devops-agent.trust": word}}).trust is trust


def test_a_container_is_a_target_with_a_state_to_look_at() -> None:
    target = only(container("web"))
    assert (target.name, target.via, target.ref, target.found_by) == ("web", "docker", "web", "docker")
    assert [check.kind for check in target.checks] == ["state"]
    assert target.labels == {"image": "shop/web"}


def test_a_service_label_names_the_target_while_it_is_the_only_bearer() -> None:
    label = {"devops-agent.service": "shop"}
    alone = only({**container("prod-1"), "Labels": label})
    assert (alone.name, alone.ref, alone.aliases, alone.group) == ("shop", "prod-1", ("prod-1",), "")
    both = targets_of([{**container("prod-1"), "Labels": label}, {**container("prod-2"), "Labels": label}])
    assert [(one.name, one.aliases, one.group) for one in both] == [
        ("prod-1", ("shop",), "shop"),
        ("prod-2", ("shop",), "shop"),
    ]
    replica = {**container("prod-2"), "Labels": {**label, "devops-agent.replica-of": "prod-1"}}
    assert [one.name for one in targets_of([{**container("prod-1"), "Labels": label}, replica])] == ["shop", "prod-2"]


def test_a_service_label_never_takes_the_name_of_another_container() -> None:
    decoy = {**container("aaa"), "Labels": {"devops-agent.service": "database"}}
    assert [one.name for one in targets_of([decoy, container("database")])] == ["aaa", "database"]


def test_dependencies_come_from_our_label_and_from_compose() -> None:
    web = {
        **container("web"),
        "Labels": {
            "devops-agent.depends-on": "prod-db, mail",
            "com.docker.compose.depends_on": "cache:service_started:false,prod-db:service_healthy:true",
        },
    }
    database = {**container("prod-db"), "Labels": {"devops-agent.service": "db"}}
    [found] = [one for one in targets_of([web, database]) if one.name == "web"]
    assert found.depends_on == ("db", "mail", "cache")


def test_jobs_that_ended_well_and_containers_in_the_making_are_no_targets() -> None:
    ended = {**container("job"), "State": "exited", "Status": "Exited (0) 2 minutes ago"}
    failed = {**container("failed"), "State": "exited", "Status": "Exited (1) 2 minutes ago"}
    made = {**container("made"), "State": "created", "Status": "Created"}
    opted = {**ended, "Names": ["/opted"], "Labels": {"devops-agent.enable": "true"}}
    marks = {"devops-agent.rollback": "1", "devops-agent.enable": "true"}
    coming = {**made, "Names": ["/web.next-1"], "Labels": marks}
    kept = {**ended, "Names": ["/web.before-1"], "Labels": {"devops-agent.enable": "true"}}
    found = targets_of([ended, failed, made, opted, coming, kept])
    assert [one.name for one in found] == ["failed", "opted"]
