import stat
from datetime import timedelta
from pathlib import Path

import pytest

from devops_agent.config.load import find_config, load
from devops_agent.config.problems import ConfigError
from devops_agent.config.secrets import SecretError, doubts_about, read_secret
from devops_agent.config.settings import Polling, Settings
from devops_agent.model.target import Thresholds, Trust
from tests.config.samples import problems, settings


def test_an_empty_file_says_what_no_file_says() -> None:
    assert settings("").with_(source="", state_dir="") == Settings(state_dir="")
    assert settings("# only a comment").polling == Polling()
    assert settings("polling:\n").polling == Polling()


def test_without_a_file_defaults_and_environment_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    loaded = load(None, environ={"DEVOPS_AGENT_LISTEN": "127.0.0.1:0"})
    assert (loaded.web.listen, loaded.source) == ("127.0.0.1:0", "")
    assert loaded.state_dir == str(tmp_path / "devops-agent-state")


def test_values_are_read_by_what_they_are_for() -> None:
    loaded = settings(
        """
        polling: {well: 1h30m, trouble: 250ms, timeout: 2.5, jitter: 0.2, rise: 3}
        thresholds: {memory_percent: off, cpu_percent: 90%, disk_percent: ~}
        guard: {trust: notify, managed_by_default: yes, never_touch: postgres}
        watchdog: {within: 2d}
        web: {public_url: https://agent.example.com}
        log: {level: debug}
        """
    )
    assert loaded.polling == Polling(
        well=timedelta(minutes=90),
        trouble=timedelta(milliseconds=250),
        timeout=timedelta(seconds=2.5),
        jitter=0.2,
        rise=3,
    )
    assert loaded.thresholds == Thresholds(memory_percent=None, cpu_percent=90.0, disk_percent=None)
    assert (loaded.guard.trust, loaded.guard.managed_by_default) == (Trust.NOTIFY, True)
    assert loaded.guard.never_touch == ("postgres",)
    assert loaded.watchdog.within == timedelta(days=2)


def test_a_text_stays_the_text_that_is_written() -> None:
    loaded = settings("maintenance: [{cron: 0 3 * * sun, reason: no}, {cron: '0 3 * * *', reason: 1.10}]")
    assert [window.reason for window in loaded.maintenance] == ["no", "1.10"]


def test_every_problem_is_told_with_its_line_and_the_way_out() -> None:
    told = problems(
        "polling:\n"
        "  well: 30 parsecs\n"
        "  truble: 5s\n"
        "  jitter: 0.9\n"
        "guard: {trust: atuo, strikes: {count: 0}}\n"
        "log: {level: loud}\n"
        "maintenance:\n"
        "  - lasts: 1h\n"
        "  - cron: 0 25 * * *\n"
        "web: {listen: here}\n"
    )
    assert told == [
        "agent.yaml:2: polling.well: '30 parsecs' is no duration; write 30s, 5m, 1h30m",
        (
            "agent.yaml:3: polling.truble: no setting 'truble'; did you mean 'trouble'? known: concurrent, fall, "
            "flapping_changes, flapping_window, jitter, rise, timeout, trouble, well"
        ),
        "agent.yaml:4: polling.jitter: 0.9 is out of range; allowed: 0 to 0.5",
        "agent.yaml:5: guard.trust: no trust 'atuo'; did you mean 'auto'? known: ask, auto, notify, observe",
        "agent.yaml:5: guard.strikes.count: 0 is out of range; allowed: 1 or more",
        "agent.yaml:6: log.level: 'loud' is not allowed; allowed: debug, info, warning, error",
        "agent.yaml:8: maintenance[0].cron: is missing",
        "agent.yaml:9: maintenance[1].cron: '25' is no hour in a cron expression; allowed: 0 to 23",
        (
            "agent.yaml:10: web.listen: 'here' has a wrong form; write 127.0.0.1:8484 (port 0 to 65535), or "
            "unix:/path/to/socket"
        ),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("polling: [1]", "agent.yaml:1: polling: a list is no table; write `name: value` lines below it"),
        ("polling: {rise: {a: 1}}", "agent.yaml:1: polling.rise: a table is no whole number"),
        (
            "log: {level: {info}}",
            'agent.yaml:1: log.level: a text is wanted, and braces begin a table; put it in quotes: "{info}"',
        ),
        ("polling: {rise: 2.5}", "agent.yaml:1: polling.rise: '2.5' is no whole number; write one such as 3"),
        ("web: {metrics_open: maybe}", "agent.yaml:1: web.metrics_open: 'maybe' is no yes or no; write true or false"),
        (
            "store: mysql://x",
            (
                "agent.yaml:1: store: 'mysql://x' has a wrong form; write sqlite:///path/to/agent.db or "
                "postgresql://user@host/name"
            ),
        ),
        (
            "web: {listen: 127.0.0.1:99999}",
            (
                "agent.yaml:1: web.listen: '127.0.0.1:99999' has a wrong form; write "
                "127.0.0.1:8484 (port 0 to 65535), or unix:/path/to/socket"
            ),
        ),
        ("maintenance: sunday", "agent.yaml:1: maintenance: 'sunday' is no list; begin each entry with `- `"),
        ("plugins: {Docker!: {}}", "agent.yaml:1: plugins.Docker!: is no plugin's name; write one such as docker"),
        ("store: ${NOWHERE}", "agent.yaml:1: ${NOWHERE} is not set; set it, or write ${NOWHERE:-default}"),
        ("just words", "agent.yaml:1: is no table; a file consists of lines such as `name: value`"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_way_out(text: str, told: str) -> None:
    assert problems(text) == [told]


def test_variables_are_filled_in_and_never_read_as_yaml() -> None:
    environ = {"DB": "host: [evil", "SECONDS": "7", "EMPTY": ""}
    loaded = settings(
        "store: postgresql://${DB_USER:-agent}@${DB}/x\n"
        "polling: {timeout: '${SECONDS}'}\n"
        "guard: {never_touch: ['$${PLAIN}', '$5', '${EMPTY:-fallback}']}\n",
        environ,
    )
    assert loaded.store == "postgresql://agent@host: [evil/x"
    assert loaded.polling.timeout == timedelta(seconds=7)
    assert loaded.guard.never_touch == ("${PLAIN}", "$5", "fallback")


def test_the_environment_wins_over_the_file() -> None:
    loaded = settings(
        "flags: {AUTO_REMEDIATION_ENABLED: true}\nweb: {listen: 127.0.0.1:1, metrics_open: false}\npolling: {rise: 4}",
        {
            "AUTONOMOUS_MONITORING_ENABLED": "0",
            "AUTO_REMEDIATION_ENABLED": "no",
            "PAM_INTEGRATION_ENABLED": "True",
            "DEVOPS_AGENT_STORE": "postgresql://agent@db/agent",
            "DEVOPS_AGENT_STATE_DIR": "/var/lib/agent",
            "DEVOPS_AGENT_LISTEN": "0.0.0.0:8484",
            "DEVOPS_AGENT_LOG_LEVEL": "warning",
            "DEVOPS_AGENT_POLLING__WELL": "1m",
            "DEVOPS_AGENT_GUARD__STRIKES__COUNT": "2",
            "DEVOPS_AGENT_GUARD__NEVER_TOUCH": "postgres, redis",
            "DEVOPS_AGENT_PLUGINS__DOCKER__SOCKET": "/run/docker.sock",
        },
    )
    assert [getattr(loaded.flags, flag) for flag in loaded.flags.__struct_fields__] == [False, False, True]
    assert (loaded.store, loaded.state_dir) == ("postgresql://agent@db/agent", "/var/lib/agent")
    assert (loaded.web.listen, loaded.web.metrics_open) == ("0.0.0.0:8484", False)
    assert (loaded.polling.well, loaded.polling.rise) == (timedelta(minutes=1), 4)
    assert loaded.guard.strikes.count == 2
    assert loaded.guard.never_touch == ("postgres", "redis")
    assert loaded.plugins == {"docker": {"socket": "/run/docker.sock"}}
    assert loaded.log.level == "warning"


def test_a_problem_in_the_environment_names_the_variable() -> None:
    environ = {
        "AUTO_REMEDIATION_ENABLED": "perhaps",
        "DEVOPS_AGENT_POLLING__WEL": "1m",
        "DEVOPS_AGENT_TARGETS__0": "x",
        "DEVOPS_AGENT_GUARD__STRIKES": "3",
    }
    told = problems("", environ)
    assert told[0] == (
        "$AUTO_REMEDIATION_ENABLED: flags.AUTO_REMEDIATION_ENABLED: 'perhaps' is no yes or no; write true or false"
    )
    assert told[1] == "$DEVOPS_AGENT_GUARD__STRIKES: guard is more than one value; write it in agent.yaml"
    assert told[2].startswith("$DEVOPS_AGENT_POLLING__WEL: no setting 'wel'; did you mean 'well'?")
    assert told[3].startswith("$DEVOPS_AGENT_TARGETS__0: targets is")
    assert len(told) == 4


def test_names_that_a_container_engine_sets_are_not_ours_and_empty_ones_are_not_set() -> None:
    environ = {"DEVOPS_AGENT_PORT": "tcp://10.0.0.1:8484", "DEVOPS_AGENT_LISTEN": "", "HOME": "/root"}
    assert settings("", environ) == settings("")


def test_relative_paths_start_at_the_file() -> None:
    loaded = settings(
        "state_dir: state\nstore: sqlite:///db/agent.db\nstore_password_file: secrets/db\n"
        "web: {alert_token_file: secrets/alerts}\n"
        "runbooks: [own, /srv/runbooks]\nplugins: {docker: {key_file: tls/key.pem}}"
    )
    assert loaded.state_dir == "/etc/agent/state"
    assert loaded.store == "sqlite:////etc/agent/db/agent.db"
    assert loaded.store_password_file == "/etc/agent/secrets/db"
    assert loaded.web.alert_token_file == "/etc/agent/secrets/alerts"
    assert loaded.runbooks == ("/etc/agent/own", "/srv/runbooks")
    assert loaded.plugins["docker"] == {"key_file": "/etc/agent/tls/key.pem"}


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.yaml: cannot be read: No such file"):
        load(tmp_path / "gone.yaml", environ={})


def test_the_file_given_goes_before_the_one_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    environ = {"DEVOPS_AGENT_CONFIG": "/etc/other.yaml"}
    assert find_config(Path("given.yaml"), environ=environ) == Path("given.yaml")
    assert find_config(None, environ=environ) == Path("/etc/other.yaml")
    (tmp_path / "agent.yaml").touch()
    assert find_config(None, environ={}) == Path("agent.yaml")


def test_a_secret_is_read_without_its_newline_and_its_faults_are_told(tmp_path: Path) -> None:
    secret = tmp_path / "db"
    secret.write_text("s3cret\n")
    secret.chmod(stat.S_IRUSR | stat.S_IWUSR)
    assert read_secret(str(secret)) == "s3cret"
    assert doubts_about(str(secret)) == ""
    secret.chmod(0o644)
    assert "run `chmod 600" in doubts_about(str(secret))
    assert "cannot be read: No such file" in doubts_about(str(tmp_path / "gone"))
    with pytest.raises(SecretError, match="No such file"):
        read_secret(str(tmp_path / "gone"))
    secret.write_text("\n")
    with pytest.raises(SecretError, match="it is empty"):
        read_secret(str(secret))
