"""Fault classes: what can be wrong with a target, and how alerts and readings name it."""

import re
from collections.abc import Mapping
from functools import lru_cache

from devops_agent.model.alert import Severity
from devops_agent.model.fact import Fact
from devops_agent.model.incident import Category, Complexity


class Fault(Fact, kw_only=True):
    """A fault class."""

    kind: str
    says: str
    category: Category
    complexity: Complexity
    severity: Severity
    cause_group: str = "service"
    """Alerts on one target whose classes share a cause group have one cause: they join one incident."""
    rank: int
    """Of two classes in one incident the higher explains the lower."""


FAULTS: dict[str, Fault] = {
    fault.kind: fault
    for fault in (
        Fault(
            kind="unreachable",
            says="cannot be reached from here",
            category=Category.NETWORK,
            complexity=Complexity.COMPLEX,
            severity=Severity.CRITICAL,
            rank=90,
        ),
        Fault(
            kind="crash_loop",
            says="keeps crashing after each start",
            category=Category.SERVICE_DOWN,
            complexity=Complexity.COMPLEX,
            severity=Severity.CRITICAL,
            rank=80,
        ),
        Fault(
            kind="out_of_memory",
            says="was killed for using too much memory",
            category=Category.RESOURCES,
            complexity=Complexity.SIMPLE,
            severity=Severity.CRITICAL,
            rank=75,
        ),
        Fault(
            kind="down",
            says="does not run",
            category=Category.SERVICE_DOWN,
            complexity=Complexity.SIMPLE,
            severity=Severity.CRITICAL,
            rank=70,
        ),
        Fault(
            kind="unhealthy",
            says="runs but does not answer well",
            category=Category.SERVICE_DOWN,
            complexity=Complexity.SIMPLE,
            severity=Severity.CRITICAL,
            rank=60,
        ),
        Fault(
            kind="dependency_down",
            says="suffers from something it depends on",
            category=Category.DEPENDENCY,
            complexity=Complexity.COMPLEX,
            severity=Severity.WARNING,
            rank=65,
        ),
        Fault(
            kind="high_error_rate",
            says="answers with too many errors",
            category=Category.ERRORS,
            complexity=Complexity.SIMPLE,
            severity=Severity.WARNING,
            rank=50,
        ),
        Fault(
            kind="bad_release",
            says="is in trouble since it was changed",
            category=Category.ERRORS,
            complexity=Complexity.COMPLEX,
            severity=Severity.WARNING,
            rank=55,
        ),
        Fault(
            kind="code_error",
            says="raises exceptions in its code",
            category=Category.ERRORS,
            complexity=Complexity.COMPLEX,
            severity=Severity.WARNING,
            rank=48,
        ),
        Fault(
            kind="memory_pressure",
            says="uses too much memory",
            category=Category.RESOURCES,
            complexity=Complexity.SIMPLE,
            severity=Severity.WARNING,
            rank=45,
        ),
        Fault(
            kind="high_latency",
            says="answers too slowly",
            category=Category.PERFORMANCE,
            complexity=Complexity.SIMPLE,
            severity=Severity.WARNING,
            rank=40,
        ),
        Fault(
            kind="high_cpu",
            says="uses too much processor time",
            category=Category.PERFORMANCE,
            complexity=Complexity.UNKNOWN,
            severity=Severity.WARNING,
            rank=35,
        ),
        Fault(
            kind="flapping",
            says="keeps changing between well and unwell",
            category=Category.SERVICE_DOWN,
            complexity=Complexity.COMPLEX,
            severity=Severity.WARNING,
            rank=85,
        ),
        Fault(
            kind="disk_filling",
            says="is running out of disk space",
            category=Category.RESOURCES,
            complexity=Complexity.SIMPLE,
            severity=Severity.WARNING,
            cause_group="disk",
            rank=40,
        ),
        Fault(
            kind="log_growth",
            says="writes its logs too fast",
            category=Category.RESOURCES,
            complexity=Complexity.SIMPLE,
            severity=Severity.WARNING,
            cause_group="disk",
            rank=30,
        ),
        Fault(
            kind="certificate_expiry",
            says="has a certificate that expires soon",
            category=Category.UNKNOWN,
            complexity=Complexity.COMPLEX,
            severity=Severity.WARNING,
            cause_group="certificate",
            rank=10,
        ),
        Fault(
            kind="order",
            says="a person ordered an action",
            category=Category.UNKNOWN,
            complexity=Complexity.SIMPLE,
            severity=Severity.INFO,
            cause_group="order",
            rank=0,
        ),
        Fault(
            kind="self",
            says="the agent itself is in trouble",
            category=Category.UNKNOWN,
            complexity=Complexity.COMPLEX,
            severity=Severity.CRITICAL,
            cause_group="self",
            rank=100,
        ),
        Fault(
            kind="unknown",
            says="is in trouble of an unknown sort",
            category=Category.UNKNOWN,
            complexity=Complexity.UNKNOWN,
            severity=Severity.WARNING,
            rank=5,
        ),
    )
}  # fmt: skip — one class, two lines: it reads as the table that it is

# Words inside other words are the trap: TooMany, Changed, Member, Deadline.
_NAMES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), kind)
    for pattern, kind in (
        (r"cert(ificate)?.*(expir|renew)|tls.*expir", "certificate_expiry"),
        (r"(?-i:(?<![Tt])OOM|Oom|(?<![A-Za-z])oom)|out.?of.?memory", "out_of_memory"),
        (r"crash.?loop|restarting.?(too|often)|too.?many.?restarts", "crash_loop"),
        (r"flap", "flapping"),
        (r"dependency|upstream.*(down|fail)", "dependency_down"),
        (r"log.*(growth|growing|flood|volume)", "log_growth"),
        (r"disk|filesystem|volume.*(full|fill|usage)|storage.*(full|usage)|inode|out.?of.?space", "disk_filling"),
        (r"mem(?!ber).*(pressure|usage|high|leak|low|exceed|near|above)|(high|low).*mem(?!ber)", "memory_pressure"),
        (
            r"(error|5xx|failure).*(rate|ratio|burst|percent)|(high|too.?many|elevated).*(error|5xx)|errors?high",
            "high_error_rate",
        ),
        (r"latency|slow|response.?time|p9[059]", "high_latency"),
        (r"cpu", "high_cpu"),
        (r"unreachable|network|dns|resolution", "unreachable"),
        (r"unhealthy|health.?check|probe.?fail|(?<!c)hang|hung|not.?respond|deadlock", "unhealthy"),
        (
            r"down|died|dead(?!line|.?letter)|absent|missing|exited|stopped|not.?running|unavailable|killed|endpoint.*fail",
            "down",
        ),
    )
)


@lru_cache(maxsize=4096)
def kind_of_name(alertname: str) -> str:
    """Return the fault class that an alert's name speaks of; `unknown` when it speaks of none."""
    for pattern, kind in _NAMES:
        if pattern.search(alertname):
            return kind
    return "unknown"


def kind_of(labels: Mapping[str, str]) -> str:
    """Return the fault class of an alert: the label `devops_agent_kind` when it names one, else by the alert's name."""
    said = labels.get("devops_agent_kind", "")
    return said if said in FAULTS else kind_of_name(labels.get("alertname", ""))
