"""All plugins by port and name: the one line that a new plugin adds. Read by `app` only, loaded on first use."""

from typing import Final

ACTUATORS: Final = {
    "command": "devops_agent.plugins.command.actuator:build",
    "docker": "devops_agent.plugins.docker.actuator:build",
    "host": "devops_agent.plugins.host.actuator:build",
    "http": "devops_agent.plugins.http.actuator:build",
    "process": "devops_agent.plugins.process.actuator:build",
    "supervisord": "devops_agent.plugins.supervisord.actuator:build",
    "systemd": "devops_agent.plugins.systemd.actuator:build",
}
PROBES: Final = {
    "docker": "devops_agent.plugins.docker.probe:build",
    "host": "devops_agent.plugins.host.probe:build",
    "http": "devops_agent.plugins.http.probe:build",
    "process": "devops_agent.plugins.process.probe:build",
    "prometheus": "devops_agent.plugins.prometheus.probe:build",
    "tcp": "devops_agent.plugins.network.probe:build",
}
FALLBACK: Final = {
    "network": "devops_agent.plugins.network.diagnosis:build",
}
INVENTORIES: Final = {
    "docker": "devops_agent.plugins.docker.inventory:build",
}
WATCHERS: Final = {
    "docker": "devops_agent.plugins.docker.watcher:build",
    "process": "devops_agent.plugins.process.watcher:build",
}
COMPLETERS: Final = {
    "alertmanager": "devops_agent.plugins.alertmanager.completer:build",
}
RECEIVERS: Final = {
    "alertmanager": "devops_agent.plugins.alertmanager.receiver:AlertmanagerReceiver",
    "generic": "devops_agent.plugins.generic.receiver:GenericReceiver",
    "grafana": "devops_agent.plugins.grafana.receiver:GrafanaReceiver",
}
METRICS: Final = {
    "prometheus": "devops_agent.plugins.prometheus.metrics:build",
}
LOGS: Final = {
    "loki": "devops_agent.plugins.loki.logs:build",
    "docker": "devops_agent.plugins.docker.logs:build",
    "process": "devops_agent.plugins.process.logs:build",
}
"""The first that answers is believed."""
CHANGES: Final = {
    "deployments": "devops_agent.plugins.deployments.changes:build",
    "docker": "devops_agent.plugins.docker.changes:build",
    "git": "devops_agent.plugins.git.changes:build",
}
REASONERS: Final = {
    "langchain": "devops_agent.plugins.langchain.reasoner:build",
}
MIRRORS: Final = {
    "memory_keeper": "devops_agent.plugins.memory_keeper.mirror:build",
}
NOTIFIERS: Final = {
    name: f"devops_agent.plugins.{name}.notifier:build"
    for name in ("apprise", "email", "pam", "slack", "twilio", "webhook")
}
ON_DEMAND: Final = frozenset({"docker", "loki", "prometheus", "supervisord", "systemd"})
"""Plugins that are loaded only when a target, or a setting, speaks of them: what is not used costs no memory."""
