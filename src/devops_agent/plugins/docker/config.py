"""What `agent.yaml` may say under `plugins.docker`, and the labels that containers may carry."""

from datetime import timedelta

import msgspec

ENABLE = "devops-agent.enable"
SERVICE = "devops-agent.service"
TRUST = "devops-agent.trust"
DEPENDS_ON = "devops-agent.depends-on"
REPLICAS = "devops-agent.replicas"
"""`MOST` or `LEAST-MOST`: how many replicas a service may be scaled to."""
PREVIOUS_IMAGE = "devops-agent.previous-image"
"""The image that a container ran before it was rolled back or forth; written by us."""
REPLICA_OF = "devops-agent.replica-of"
"""The container that a replica was copied from; written by us."""
ROLLBACK = "devops-agent.rollback"
"""The mark of the roll-back that made a container; written by us."""

AUTOHEAL = "autoheal"
AUTOHEAL_STOP_TIMEOUT = "autoheal.stop.timeout"
AUTOHEAL_ACTION = "autoheal.action"

COMPOSE_PROJECT = "com.docker.compose.project"
COMPOSE_SERVICE = "com.docker.compose.service"
COMPOSE_NUMBER = "com.docker.compose.container-number"
COMPOSE_DEPENDS_ON = "com.docker.compose.depends_on"


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the plugin."""

    socket: str = "/var/run/docker.sock"
    """Path of the engine's socket. Who may use it is root on this machine; mounting it `:ro` protects nothing."""
    discover: bool = True
    """Whether containers are found by their labels."""
    events: bool = True
    """Whether the engine's events are followed; without them only polls and alerts tell that a container died."""
    patience: timedelta = timedelta(seconds=10)
    """How long a container gets to stop before it is killed, unless its label or the step says otherwise."""
    most_replicas: int = 10
    """To how many replicas a service without the label `devops-agent.replicas` may be scaled."""
    stats: bool = True
    """Whether memory and processor time are read at every look."""
