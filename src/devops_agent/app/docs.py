"""The reference page of the plugins' settings; `python -m devops_agent.app.docs` writes it, a test compares."""

from pathlib import Path

from devops_agent.config.docs import sections
from devops_agent.plugins.alertmanager import config as alertmanager
from devops_agent.plugins.apprise import config as apprise
from devops_agent.plugins.command import config as command
from devops_agent.plugins.deployments import config as deployments
from devops_agent.plugins.docker import config as docker
from devops_agent.plugins.email import config as email
from devops_agent.plugins.git import config as git
from devops_agent.plugins.host import config as host
from devops_agent.plugins.http import config as http
from devops_agent.plugins.loki import config as loki
from devops_agent.plugins.memory_keeper import config as memory_keeper
from devops_agent.plugins.network import config as network
from devops_agent.plugins.pam import config as pam
from devops_agent.plugins.process import config as process
from devops_agent.plugins.prometheus import config as prometheus
from devops_agent.plugins.slack import config as slack
from devops_agent.plugins.supervisord import config as supervisord
from devops_agent.plugins.systemd import config as systemd
from devops_agent.plugins.twilio import config as twilio
from devops_agent.plugins.webhook import config as webhook

PAGE = "docs/reference/plugins.md"

_HEAD = f"""\
# Plugins

<!-- Written by `python -m devops_agent.app.docs`; edit the docstrings in `src/devops_agent/plugins` instead. -->

What `agent.yaml` may say to each plugin, for all targets (`plugins:`) and at one target. All of it has
defaults, but for the `url` of Prometheus and Loki.

```yaml
plugins:
  docker: {{socket: /run/docker.sock}}
  host: {{allowed_roots: [/var/log/shop]}}    # nothing is deleted or compressed elsewhere
targets:
  - name: shop
    process:                                # the agent starts it, and starts it again
      name: shop
      command: [/usr/bin/python3, -m, shop]
      log: /var/log/shop/shop.log
    url: http://127.0.0.1:8000
    clean:
      - {{root: /var/log/shop, patterns: ["*.log.*"], older_than: 2d, keep: 3}}
  - name: mailer
    process:                                # it goes to the background by itself, and writes its number down
      name: mailer
      command: [/usr/sbin/mailer, --daemon]
      pid_file: /run/mailer.pid
```

**Labels of containers** say the same without a line in `agent.yaml`:

| label | |
|---|---|
| `{docker.ENABLE}` | `true`: watch it, and act on it; `false`: never act. |
| `{docker.SERVICE}` | The service's name, shared by its replicas. |
| `{docker.TRUST}` | A ceiling for it: observe, ask, notify or auto. |
| `{docker.DEPENDS_ON}` | Names of targets without which it cannot be well, with commas. |
| `{docker.REPLICAS}` | `MOST` or `LEAST-MOST`: how many replicas it may be scaled to. |

Compose's own labels are read, too, and autoheal's `{docker.AUTOHEAL}=true`.

"""

_PARTS = (
    ("## At a target of `process`", process.Options),
    ("## At any target: `clean`, and `logs` and `path` below `options`", host.Options),
    ("## At any target: `prometheus` below `options`", prometheus.Options),
    ("## At any target: `loki` below `options`", loki.Options),
    ("## At any target: `repository` below `options`", git.Options),
    ("## At any target: `deployments` below `options`", deployments.Options),
    ("## plugins.process", process.Config),
    ("## plugins.host", host.Config),
    ("## plugins.docker", docker.Config),
    ("## plugins.systemd", systemd.Config),
    ("## plugins.supervisord", supervisord.Config),
    ("## plugins.http", http.Config),
    ("## plugins.command", command.Config),
    ("## plugins.network", network.Config),
    ("## plugins.alertmanager", alertmanager.Config),
    ("## plugins.git", git.Config),
    ("## plugins.prometheus", prometheus.Config),
    ("## plugins.loki", loki.Config),
    ("## plugins.memory_keeper", memory_keeper.Config),
    ("## notify.channels `via: slack`: `options`", slack.Config),
    ("## notify.channels `via: email`: `options`", email.Config),
    ("## notify.channels `via: twilio`: `options`", twilio.Config),
    ("## notify.channels `via: apprise`: `options`", apprise.Config),
    ("## notify.channels `via: webhook`: `options`", webhook.Config),
    ("## notify.channels `via: pam`: `options`", pam.Config),
)


def plugins_page() -> str:
    """Return `docs/reference/plugins.md`."""
    return _HEAD + "\n".join(part for title, kind in _PARTS for part in sections(kind, title))


if __name__ == "__main__":
    Path(PAGE).write_text(plugins_page(), encoding="utf-8")
