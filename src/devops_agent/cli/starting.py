"""Begin: write, check, examine, run."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from devops_agent.cli import say
from devops_agent.cli.call import Call, Trouble, command
from devops_agent.cli.exits import Exit
from devops_agent.cli.tokens import new_link, page_url

if TYPE_CHECKING:
    from devops_agent.config.problems import Problem
    from devops_agent.config.settings import Settings
    from devops_agent.config.source import Loaded
    from devops_agent.model.target import Target


@command("init", "devops-agent init", "devops-agent --config /etc/devops-agent/agent.yaml init")
@click.option("--docker/--no-docker", default=True, help="Look for Docker containers.  [default: docker]")
@click.option("--ports/--no-ports", default=True, help="Look for local listening ports.  [default: ports]")
def write_config(call: Call, *, docker: bool, ports: bool) -> None:
    """Write a first agent.yaml for what is found on this machine.

    It finds Docker containers and local ports, and writes a commented file in which everything is watched and nothing
    is acted on that does not say so. A file that is there is left as it is.
    """
    from devops_agent.config.init import Found, write_initial
    from devops_agent.config.listening import listening_ports

    path = call.config or Path("agent.yaml")
    containers, why_none = _containers() if docker else ((), "")
    listening = listening_ports() if ports else ()
    # A port that a container publishes belongs to that container.
    found = Found(containers=containers, ports=tuple(one for one in listening if one.process != "docker-proxy"))
    write_initial(found, path)
    counts = {"containers": len(found.containers), "ports": len(found.ports)}
    if call.as_json:
        say.document({"file": str(path), "found": counts, "docker": why_none or "reachable"})
        return
    say.line(f"wrote {path}: {counts['containers']} containers, {counts['ports']} local ports")
    if why_none:
        say.line(f"Docker containers were not looked at: {why_none}")
    say.line()
    say.line("What comes next:", bold=True)
    config = "" if path == Path("agent.yaml") else f" --config {path}"
    say.line(f"  1. read {path}; set `manage: true` where the agent may restart something")
    say.line(f"  2. devops-agent{config} check     says what is wrong in it, with line and way out")
    say.line(f"  3. devops-agent{config} run       watches, and opens the page on http://127.0.0.1:8484")


@command("check", "devops-agent check", "devops-agent check --config staging.yaml")
def check_config(call: Call) -> None:
    """Say what is wrong in agent.yaml and the runbooks.

    Each problem is told with file, line, and what is allowed there. Nothing is contacted and nothing is changed. The
    exit code is 5 when there is a problem.
    """
    from devops_agent.config.problems import ConfigError

    try:
        loaded = load_all(call)
    except ConfigError as error:
        if not call.as_json:
            count = len(error.problems)
            raise Trouble(f"{error}\n{say.several(count, 'problem')}", Exit.CONFIG) from error
        say.document(
            {"ok": False, "file": str(call.file() or ""), "problems": [_problem(one) for one in error.problems]}
        )
        raise click.exceptions.Exit(Exit.CONFIG) from error
    settings = loaded.settings
    acts = [target.name for target in settings.targets if target.managed and target.via]
    if call.as_json:
        counts = {"targets": len(settings.targets), "managed": acts, "runbooks": len(loaded.runbooks)}
        say.document({"ok": True, "file": settings.source, "problems": [], **counts})
        return
    say.line(f"{settings.source or 'the defaults (there is no agent.yaml)'}: in order")
    say.line(
        f"{say.several(len(settings.targets), 'target')} written down, {len(acts)} of them may be acted on;"
        f" {say.several(len(loaded.runbooks), 'runbook')}"
    )


@command("doctor", "devops-agent doctor", "devops-agent doctor --json")
def examine(call: Call) -> None:
    """Look at everything the agent needs, and say what to mend.

    Looks at configuration, state folder, store, roles, plugins, secret files, whether metrics, logs, model and channels
    can be reached, the never-touch set, what is opted in, the alerting's sign of life, switches and clock. Changes
    nothing and sends no message; `devops-agent notify test CHANNEL` does. The exit code is 1 when something fails.
    """
    import asyncio

    from devops_agent.app import doctor
    from devops_agent.app.finding import Level
    from devops_agent.config import environment

    findings = asyncio.run(doctor.examine(call.file(), environ=environment()))
    failed = any(finding.level is Level.FAIL for finding in findings)
    if call.as_json:
        say.document({"ok": not failed, "findings": findings})
    else:
        for finding in findings:
            say.table((), [(finding.level.value.ljust(4), finding.what.ljust(13), finding.says)])
            if finding.way_out:
                say.hanging(f"{'':21}{say.coloured('→', 'yellow')} ", finding.way_out)
        worse = sum(finding.level is not Level.OK for finding in findings)
        say.line()
        say.line("everything is in order" if not worse else f"{worse} of {len(findings)} lines need a look")
    if failed:
        raise click.exceptions.Exit(Exit.REFUSED)


@command("run", "devops-agent run", "devops-agent run --login", "devops-agent run --listen 127.0.0.1:9000", data=False)
@click.option("--listen", metavar="ADDRESS", help="host:port, or unix:/path; goes before web.listen of agent.yaml.")
@click.option("--login", is_flag=True, help="Print a link that opens the page once.")
def run_both(call: Call, *, listen: str | None, login: bool) -> None:
    """Run the agent, the page and the API.

    Both roles run as processes of their own under a small parent that starts them again when they end. Ctrl-C or
    SIGTERM lets what is under way end first; a change of agent.yaml takes effect at once.
    """
    from devops_agent.app.first import FILE

    settings = load_all(call).settings
    _see_secrets(settings)
    _refuse_second(settings)
    address = _with_port(listen or settings.web.listen)
    page = page_url(settings, address)
    say.line(f"page and API: {page}" if page else f"page and API: {address}")
    if login:
        say.line(f"opens it once, within 10 minutes: {new_link(call, page)}")
    else:
        say.line(f"log in with `devops-agent login`, or with the token in {Path(settings.state_dir) / FILE}")
    sys.stdout.flush()
    told = "" if address == settings.web.listen else address
    _become("-m", "devops_agent.app.parent", address, _config_word(call), listen=told)


@command("agent", "devops-agent agent", data=False)
def run_agent(call: Call) -> None:
    """Run the agent alone: it watches and acts, and listens on nothing.

    For those who let systemd or a container engine start each role. `devops-agent run` starts both.
    """
    _refuse_second(load_all(call).settings)
    _become("-OO", "-m", "devops_agent.app.agent", _config_word(call))


@command("web", "devops-agent web", data=False)
def run_web(call: Call) -> None:
    """Run the page and the API alone: they take alerts, and act on nothing.

    Alerts that come in while the agent is down are kept and responded to when it is back.
    """
    settings = call.settings()
    _see_secrets(settings)
    say.line(f"page and API: {page_url(settings, settings.web.listen) or settings.web.listen}")
    sys.stdout.flush()
    _become("-m", "devops_agent.app.web", _config_word(call))


@command("worker", "devops-agent worker", "devops-agent worker --queues investigate", data=False)
@click.option("--queues", metavar="NAMES", help="Only these queues, with commas between; all if left out.")
def run_worker(call: Call, *, queues: str | None) -> None:
    """Run a worker: it looks closer (queue investigate), tells people (notify), makes reports (report); never acts.

    The agent starts workers by itself when there is work. This is for those who set `investigation.start_worker: false`
    or `notify.start_worker: false`, and let systemd or a container engine keep workers.
    """
    load_all(call)
    chosen = ("--queues", queues) if queues else ()
    _become("-m", "devops_agent.app.worker", _config_word(call), *chosen)


def load_all(call: Call) -> Loaded:
    """Return settings and runbooks, checked against every action that there is; sources of evidence are built, too.

    Raises:
        ConfigError: something in them is wrong.
        SettingsError: a plugin's part of them is.

    """
    from devops_agent.app.clock import SystemClock
    from devops_agent.app.parts import all_actions
    from devops_agent.app.senses import build_senses
    from devops_agent.config import environment
    from devops_agent.config.source import Source

    clock = SystemClock()
    source = Source(call.file(), environ=environment(), actions=lambda settings: all_actions(settings, clock=clock))
    build_senses(source.now.settings, clock=clock)
    return source.now


def _see_secrets(settings: Settings) -> None:
    """Refuse to start without the secrets that a role reads first; else its parent would start it again and again."""
    from devops_agent.config.secrets import read_secret

    for path in filter(None, (settings.store_password_file, settings.web.alert_token_file)):
        read_secret(path)


def _problem(problem: Problem) -> dict[str, object]:
    from dataclasses import asdict

    return asdict(problem)


def _containers() -> tuple[tuple[Target, ...], str]:
    """Return the containers that run here, or why they cannot be seen."""
    import asyncio

    from devops_agent.app.doctor import containers
    from devops_agent.ports import PluginError

    try:
        return tuple(asyncio.run(containers())), ""
    except PluginError as error:
        return (), str(error)


def _config_word(call: Call) -> str:
    file = call.file()
    return str(file) if file is not None else ""


def _with_port(listen: str) -> str:
    """Return the address with a free port where it asks for port 0, so that it can be told."""
    if listen.startswith("unix:") or not listen.endswith(":0"):
        return listen
    from devops_agent.app.parent import open_listener

    try:
        with open_listener(listen) as listener:
            return f"{listen.rpartition(':')[0]}:{listener.getsockname()[1]}"
    except OSError as error:
        raise Trouble(f"cannot listen on {listen}: {error.strerror}; change web.listen", Exit.REFUSED) from error


def _refuse_second(settings: Settings) -> None:
    from devops_agent.app.doctor import lock_holder

    holder = lock_holder(Path(settings.state_dir))
    if holder:
        raise Trouble(
            f"cannot start: another agent (pid {holder}) works on {settings.state_dir}; stop it first", Exit.REFUSED
        )


def _become(*words: str, listen: str = "") -> NoReturn:
    """Turn into a role: this process goes on as it, with the same number."""
    from devops_agent.config import environment

    own = {"DEVOPS_AGENT_LISTEN": listen} if listen else {}
    os.execve(sys.executable, [sys.executable, *words], {**environment(), **own})  # noqa: S606 — a role takes this place
