from datetime import timedelta

import pytest

from devops_agent.model.target import Check, Thresholds, Trust
from tests.config.samples import problems, settings


def test_a_url_is_asked_for_health_resources_status_and_system() -> None:
    (target,) = settings("targets: [{name: shop, url: 'http://127.0.0.1:8000/'}]").targets
    health, resources, status, system = target.checks
    assert (health.url, health.vital, health.every) == ("http://127.0.0.1:8000/health", True, 1)
    assert (resources.url, resources.vital) == ("http://127.0.0.1:8000/health/resources", False)
    assert set(resources.fields) == {"memory_percent", "disk_percent", "cpu_percent"}
    assert (status.url, status.vital, status.every) == ("http://127.0.0.1:8000/status", False, 10)
    assert (system.url, system.vital, system.every) == ("http://127.0.0.1:8000/health/system", False, 4)


def test_paths_fields_and_headers_may_differ() -> None:
    (target,) = settings(
        """
        polling: {timeout: 2s}
        targets:
          - name: shop
            url: http://127.0.0.1:8000
            paths: {health: /healthz, status: false, system: no}
            fields: {memory_percent: memory.percent}
            headers: {Host: shop.example}
        """
    ).targets
    assert [check.url.partition(":8000")[2] for check in target.checks] == ["/healthz", "/health/resources"]
    assert target.checks[1].fields["memory_percent"] == "memory.percent"
    assert target.checks[1].fields["disk_percent"] == "disk_percent"
    assert {check.headers["Host"] for check in target.checks} == {"shop.example"}
    assert {check.timeout for check in target.checks} == {timedelta(seconds=2)}


@pytest.mark.parametrize("via", ["docker", "process", "systemd", "supervisord"])
def test_what_acts_on_a_target_is_said_in_a_word(via: str) -> None:
    (short,) = settings(f"targets: [{{{via}: shop-web}}]").targets
    (long,) = settings(f"targets: [{{name: shop-web, via: {via}, ref: shop-web}}]").targets
    assert short == long
    assert (short.name, short.via, short.ref, short.managed) == ("shop-web", via, "shop-web", True)
    assert short.checks == (Check(name="state", kind="state"),)


def test_options_of_the_acting_plugin_stand_beside_the_name() -> None:
    (target,) = settings(
        "targets: [{name: w, process: {name: worker, command: [run, '8'], log: out.log, pid_file: /run/p}, "
        "options: {a: 1, cwd: .}}]"
    ).targets
    assert (target.name, target.ref) == ("w", "worker")
    assert target.options == {
        "command": ["run", "8"],
        "log": "/etc/agent/out.log",
        "pid_file": "/run/p",
        "a": 1,
        "cwd": "/etc/agent",
    }


def test_a_written_target_is_opted_in_unless_it_says_otherwise() -> None:
    one, other = settings("targets: [{docker: a}, {docker: b, manage: false, trust: ask}]").targets
    assert (one.managed, one.trust) == (True, None)
    assert (other.managed, other.trust) == (False, Trust.ASK)


def test_own_thresholds_stand_before_the_general_ones() -> None:
    one, other = settings(
        "thresholds: {memory_percent: 60, latency_ms: off}\n"
        "targets: [{docker: a, thresholds: {disk_percent: 99, memory_percent: off}}, {docker: b}]"
    ).targets
    general = Thresholds(memory_percent=60, latency_ms=None)
    assert one.thresholds == general.with_(disk_percent=99.0, memory_percent=None)
    assert other.thresholds == general


def test_probes_are_requests_of_ones_own() -> None:
    (target,) = settings(
        """
        targets:
          - name: predictor
            url: http://127.0.0.1:8000
            paths: {health: false, resources: false, status: false, system: false}
            probes:
              - path: /api/v1/predict
                json: {timeframe: 1h, n: 3, deep: [true, null, 1.5, "7"]}
                expect_status: 200
                expect_json: {result.ok: true}
                max_latency: 2s
              - {name: page, url: "http://127.0.0.1:9/", expect_body: Welcome, vital: false, every: 5, timeout: 1s}
        """
    ).targets
    assert target.checks == (
        Check(
            name="/api/v1/predict",
            url="http://127.0.0.1:8000/api/v1/predict",
            method="POST",
            body='{"deep":[true,null,1.5,"7"],"n":3,"timeframe":"1h"}',
            headers={"Content-Type": "application/json"},
            expect_status=(200,),
            expect_json={"result.ok": True},
            max_latency=timedelta(seconds=2),
        ),
        Check(
            name="page",
            url="http://127.0.0.1:9/",
            expect_body="Welcome",
            vital=False,
            every=5,
            timeout=timedelta(seconds=1),
        ),
    )


def test_ports_that_have_to_take_connections() -> None:
    one, two = settings("targets: [{name: db, tcp: '127.0.0.1:5432'}, {name: q, tcp: ['a:1', '[::1]:2']}]").targets
    assert [(check.name, check.kind, check.url) for check in one.checks] == [("tcp", "tcp", "127.0.0.1:5432")]
    assert [check.name for check in two.checks] == ["tcp a:1", "tcp [::1]:2"]


def test_clean_up_rules_are_options() -> None:
    (target,) = settings("targets: [{docker: a, clean: [{folder: /var/log/a, older: 7d}]}]").targets
    assert target.options == {"clean": [{"folder": "/var/log/a", "older": "7d"}]}


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("url: http://x:1", "targets[0]: a target needs a name; write `name: shop-web`"),
        (
            "name: a b, docker: x",
            "targets[0].name: 'a b' has a wrong form; write letters, digits and _.:/@-, such as shop-web",
        ),
        (
            "name: x",
            (
                "targets[0]: there is nothing to look at; give it a url, tcp, probes, or what acts on it: docker, "
                "process, supervisord, systemd"
            ),
        ),
        ("docker: x, process: y", "targets[0].process: one plugin acts on a target, and 'docker' is said already"),
        (
            "name: x, via: dokcer",
            (
                "targets[0].via: no plugin that acts 'dokcer'; did you mean 'docker'? known: docker, "
                "process, supervisord, systemd"
            ),
        ),
        ("name: x, tcp: 'a:1', ref: y", "targets[0].ref: belongs to `via`; say which plugin acts on the target"),
        ("name: x, url: 'ftp://x'", "targets[0].url: 'ftp://x' has a wrong form; write http://127.0.0.1:8000"),
        ("name: x, url: 'http://x:99999'", "targets[0].url: 'http://x:99999' is no URL; write http://127.0.0.1:8000"),
        ("docker: x, paths: {health: /h}", "targets[0].paths: says how `url` is asked, and there is no `url`"),
        (
            "docker: x, url: 'http://x', paths: {status: flase}",
            "targets[0].paths.status: 'flase' is no path; begin it with /, or write false to leave it out",
        ),
        (
            "docker: x, url: 'http://x', paths: {helth: /h}",
            "targets[0].paths.helth: no path 'helth'; did you mean 'health'? known: health, resources, status, system",
        ),
        ("docker: x, tcp: nowhere", "targets[0].tcp[0]: 'nowhere' has a wrong form; write 127.0.0.1:5432"),
        (
            "docker: x, probes: [{path: /p}]",
            "targets[0].probes[0]: a probe needs a `path` below the target's `url`, or a `url` of its own",
        ),
        (
            "docker: x, probes: [{url: 'http://x', json: {}, body: b}]",
            "targets[0].probes[0].body: `json` is the body; write one of the two",
        ),
        (
            "docker: x, probes: [{name: state, url: 'http://x'}]",
            "targets[0].probes[0]: there is a check 'state' already; give this one a `name`",
        ),
        ("docker: x, min_healthy: 2", "targets[0].min_healthy: 2 is out of range; allowed: 0 to 1"),
        ("docker: x, depends_on: y", "targets[0].depends_on[0]: no target 'y'; known: x"),
        ("docker: x, depends_on: x", "targets[0].depends_on: depends on itself: x → x"),
        ("docker: x, thresholds: {disk: 5}", "targets[0].thresholds.disk: no setting 'disk'; known: "),
        ("docker: {name: [x]}", "targets[0].docker.name: is no text"),
        ("docker: [x]", "targets[0].docker: a list does not fit; write a text or a table"),
    ],
)
def test_a_wrong_target_is_refused_with_the_way_out(entry: str, told: str) -> None:
    first = problems(f"targets:\n  - {{{entry}}}")[0]
    assert first.startswith(f"agent.yaml:2: {told}")


def test_names_are_unique_and_dependencies_no_ring() -> None:
    told = problems(
        "targets:\n"
        "  - {docker: a, depends_on: [b]}\n"
        "  - {docker: b, depends_on: [c]}\n"
        "  - {docker: c, depends_on: [a]}\n"
        "  - {docker: d}\n"
        "  - {name: d, tcp: 'd:1'}\n"
    )
    assert told == [
        "agent.yaml:2: targets[0].depends_on: depends on itself: a → b → c → a",
        "agent.yaml:6: targets[4].name: there is a target 'd' already; names are unique",
    ]


def test_targets_are_a_list() -> None:
    assert problems("targets: {shop: {}}") == ["agent.yaml:1: targets: is no list; begin each target with `- name: `"]
    assert problems("targets: shop") == ["agent.yaml:1: targets: is no list; begin each target with `- name: `"]
    assert settings("targets:").targets == ()
