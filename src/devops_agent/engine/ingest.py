"""Accept alerts: which of them say something new?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from devops_agent.model.alert import NO_INCIDENT, Alert
from devops_agent.model.fact import Fact
from devops_agent.store import alerts as kept

if TYPE_CHECKING:
    from collections.abc import Sequence

    from devops_agent.store.rows import Rows


class Sorted(Fact, kw_only=True):
    """A batch of alerts, sorted by what they say."""

    firing: list[Alert]
    """Firings that no incident has yet."""
    resolved: list[tuple[Alert, str]]
    """Ends of firings, each with the incident that it belongs to (empty: none)."""
    repeats: list[Alert]
    """Said before; nothing changed."""
    late: list[Alert]
    """Firings whose end is known already."""
    signs_of_life: list[Alert]
    """Alerts that always fire, so that their silence means something."""


def sort(rows: Rows, alerts: Sequence[Alert], *, watchdog: str) -> Sorted:
    """Sort a batch against what is known; the same firing twice in one batch counts once, and its end is final."""
    batch: dict[tuple[str, object], Alert] = {}
    for alert in alerts:
        before = batch.get((alert.fingerprint, alert.starts_at))
        if before is None or before.firing or not alert.firing:
            batch[alert.fingerprint, alert.starts_at] = alert
    sorted_ = Sorted(firing=[], resolved=[], repeats=[], late=[], signs_of_life=[])
    for alert in batch.values():
        if alert.name in NO_INCIDENT or alert.name == watchdog:
            sorted_.signs_of_life.append(alert)
            continue
        known = kept.find(rows, alert)
        if known is None and not alert.firing:
            sorted_.resolved.append((alert, ""))
        elif known is not None and known["status"] == alert.status.value and (known["incident"] or not alert.firing):
            sorted_.repeats.append(alert)
        elif alert.firing and not (known is not None and known["status"] == "resolved"):
            sorted_.firing.append(alert)
        elif alert.firing:
            sorted_.late.append(alert)
        else:
            sorted_.resolved.append((alert, known["incident"] if known else ""))
    return sorted_
