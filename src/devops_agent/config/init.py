"""The first `agent.yaml`: what was found on this machine, ready to run, with a reason beside each setting."""

import json
import os
import re
from pathlib import Path

from devops_agent.config.listening import Port
from devops_agent.model.fact import Fact
from devops_agent.model.target import Target

_HEAD = """\
# DevOps AI Agent: what it watches and what it may do. Everything that is not said here has a default that works.
# `devops-agent check` tells what is wrong in this file, with line and allowed values; a change takes effect at once,
# and a broken change is refused while the old settings stay in force.
{schema}
# Where state is kept: alerts, incidents, the journal of actions, the audit chain.
# A relative path starts at this file's folder.
state_dir: ./devops-agent-state
# store: postgresql://user@host/name        # SQLite in state_dir unless you say otherwise
# store_password_file: /run/secrets/db      # secrets are always files, never values

# The three switches. Environment variables of the same names win over what is written here.
flags:
  AUTONOMOUS_MONITORING_ENABLED: true       # look at targets by itself; off: only webhooks bring alerts
  AUTO_REMEDIATION_ENABLED: true            # act; off: only say what would have been done
  PAM_INTEGRATION_ENABLED: false            # write notices for the PAM assistant

# The page, the API and the webhook for Alertmanager and Grafana.
web:
  listen: 127.0.0.1:8484                    # only this machine; put a TLS proxy in front before you open it

# Looking often costs little, and finds trouble early.
polling:
  well: 30s
  trouble: 10s
  timeout: 5s

# Where a reading becomes a problem; `off` switches a rule off. A target may have its own.
thresholds:
  memory_percent: 80
  disk_percent: 85
  disk_cleanup_percent: 75                  # clean-up begins here, long before it hurts

# Limits on acting. `ask` waits for a person's yes (page, API, or `devops-agent approve`), `auto` does not.
guard:
  safe: auto                                # a restart of one instance
  risky: ask                                # going back to another image, scaling, stopping
  dangerous: ask                            # what cannot be undone
  strikes: {{count: 3, window: 1h}}           # failed attempts on one target before a person is called
  # never_touch: [postgres, "prom/*"]       # beside the agent itself, its database and the monitoring stack

# A window in which nothing is done and nobody is told; times are UTC.
# maintenance:
#   - {{targets: ["*"], cron: "0 3 * * sun", lasts: 1h, reason: weekly updates}}

"""

_TARGETS = """\
# What is watched. With `url` the agent asks /health, /health/resources, /status and /health/system; a path that your
# service does not have is left out with `paths: {status: false}`. `manage: false` means: watch it, never act on it.
"""

_NONE_FOUND = """\
# Nothing was found to watch. Two examples to begin with; take the # away and put your own names in:
# targets:
#   - name: shop
#     docker: shop-web-1                    # how it is restarted; or process, systemd, supervisord
#     url: http://127.0.0.1:8000
#     depends_on: [db]
#   - name: db
#     tcp: 127.0.0.1:5432                   # has to take connections
"""

_MAX_PORTS = 30
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./-]*")
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null"})


class InitError(Exception):
    """The file cannot be written; says why."""


class Found(Fact, kw_only=True):
    """What there is on this machine."""

    containers: tuple[Target, ...] = ()
    """Docker containers, as its inventory finds them."""
    ports: tuple[Port, ...] = ()
    """Local ports that something listens on, without those that containers publish."""


def write_initial(found: Found, path: Path, *, schema: str = "") -> None:
    """Write a commented `agent.yaml` for what was found; `schema` is the path or URL of the JSON Schema for editors.

    Raises:
        InitError: there is a file already, or it cannot be written.

    """
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(initial_text(found, schema=schema))
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError as error:
        raise InitError(f"{path} exists and is left as it is; remove it, or name another with --config") from error
    except OSError as error:
        raise InitError(f"cannot write {path}: {error.strerror}") from error


def initial_text(found: Found, *, schema: str = "") -> str:
    """Return the text of a commented `agent.yaml` for what was found."""
    head = _HEAD.format(schema=f"# yaml-language-server: $schema={schema}\n" if schema else "")
    taken: set[str] = set()
    entries = [_container(target, taken) for target in found.containers]
    entries += [_port(port, taken) for port in found.ports[:_MAX_PORTS]]
    if len(found.ports) > _MAX_PORTS:
        entries.append(f"  # … and {len(found.ports) - _MAX_PORTS} more ports\n")
    return head + (_TARGETS + "targets:\n" + "\n".join(entries) if entries else _NONE_FOUND)


def _container(target: Target, taken: set[str]) -> str:
    opted = {
        True: "its labels opt in",
        False: "its labels opt out",
        None: "not yet: say true when it may be restarted without asking",
    }[target.managed]
    lines = [f"- name: {_quoted(_unique(target.name, taken))}", f"  docker: {_quoted(target.ref or target.name)}"]
    lines += [f"  url: {_quoted(base)}" for base in _bases(target)]
    lines += [f"  tcp: {_quoted(check.url)}" for check in target.checks if check.kind == "tcp"][:1]
    if target.group:
        lines.append(f"  group: {_quoted(target.group)}")
    managed = str(bool(target.managed)).lower()
    lines.append(f"  manage: {managed}{' ' * (30 - len(managed))}# {opted}")
    return "".join(f"  {line}\n" for line in lines)


def _bases(target: Target) -> list[str]:
    """Return the beginning of the first URL that is asked for the target's health."""
    urls = [check.url for check in target.checks if check.kind == "http" and check.url.endswith("/health")]
    return [url.removesuffix("/health") for url in urls[:1]]


def _port(port: Port, taken: set[str]) -> str:
    name = _unique(port.process or f"port-{port.number}", taken, otherwise=f"-{port.number}")
    lines = [f"- name: {_quoted(name)}", f"  tcp: 127.0.0.1:{port.number}"]
    if port.process:
        lines.append(f"  # process: {{name: {_quoted(port.process)}, command: [/path/to/program, its, arguments]}}")
    lines.append("  manage: false                         # watched only, until you say how it may be restarted")
    return "".join(f"  {line}\n" for line in lines)


def _unique(name: str, taken: set[str], *, otherwise: str = "-2") -> str:
    """Return a name that targets may have and that is not taken, and take it."""
    free = re.sub(r"[^A-Za-z0-9_.:/@-]+", "-", name).strip("-_.:/@")[:100] or "target"
    while free in taken:
        free += otherwise
    taken.add(free)
    return free


def _quoted(text: str) -> str:
    """Return `text` as YAML reads it back; JSON's quotes are YAML's."""
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    return text if plain or re.fullmatch(r"https?://[\w.:\[\]/-]+", text) else _in_quotes(text)


def _in_quotes(text: str) -> str:
    # A dollar with a brace would begin the name of an environment variable.
    return json.dumps(text.replace("${", "$${"), ensure_ascii=False)
