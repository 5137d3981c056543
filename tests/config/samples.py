"""The actions that plugins offer, as far as runbooks are concerned, and ways to load texts."""

from pathlib import Path

from devops_agent.config.load import parse
from devops_agent.config.problems import ConfigError
from devops_agent.config.runbooks import parse_runbook
from devops_agent.config.settings import Settings
from devops_agent.model.action import Action, Param, Risk
from devops_agent.model.runbook import Runbook

_LINES = {"lines": Param(kind="whole", says="How many lines.", default=100)}
_OFFERED: dict[str, dict[str, Param]] = {
    **{f"{via}.restart": {} for via in ("docker", "process", "supervisord", "systemd")},
    **{f"{via}.logs": _LINES for via in ("docker", "process", "supervisord", "systemd")},
    "docker.stats": {},
    "docker.rollback": {},
    "docker.scale": {"replicas": Param(kind="whole", says="How many.", required=True)},
    "process.signal": {"signal": Param(says="Its name.", default="HUP")},
    "host.clean": {"dry_run": Param(kind="yes-no", says="Only say what would go.")},
    "host.compress_logs": {"older": Param(kind="duration", says="Only files that rested so long.")},
    "host.disk_usage": {"share": Param(kind="number", says="Smallest share to list.")},
    "command.reindex": {"words": Param(kind="texts", says="What to index.")},
}
ACTIONS = {name: Action(name=name, says=name, risk=Risk.SAFE, params=params) for name, params in _OFFERED.items()}


def settings(text: str, environ: dict[str, str] | None = None) -> Settings:
    return parse(text.encode(), file="agent.yaml", base=Path("/etc/agent"), environ=environ or {})


def problems(text: str, environ: dict[str, str] | None = None) -> list[str]:
    try:
        settings(text, environ)
    except ConfigError as error:
        return str(error).splitlines()
    return []


def runbook(text: str) -> Runbook:
    return parse_runbook(text.encode(), file="own.yaml", actions=ACTIONS)


def runbook_problems(text: str) -> list[str]:
    try:
        runbook(text)
    except ConfigError as error:
        return str(error).splitlines()
    return []
