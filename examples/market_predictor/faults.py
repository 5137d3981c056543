"""The faults that can be switched on: what each does and what a correct repair is."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Params = dict[str, float | str]


class SwitchError(ValueError):
    """A fault cannot be switched on as asked."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One way to break."""

    name: str
    does: str
    repair: str
    restart_heals: bool
    survives: bool = False
    """Whether it stays switched on over a restart (its switch is a file); the others are gone with the process."""
    in_worker: bool = False
    """Whether the worker knows it too."""
    params: Params = field(default_factory=dict)
    """Parameter → what it is if not given."""

    def params_from(self, given: dict[str, Any]) -> Params:
        """Complete the given parameters.

        Raises:
            SwitchError: one is unknown or of the wrong type.

        """
        for name, value in given.items():
            if name not in self.params:
                known = ", ".join(self.params) or "none"
                raise SwitchError(f"cannot switch on {self.name}: no parameter {name!r}; known: {known}")
            wanted = str if isinstance(self.params[name], str) else (int, float)
            if not isinstance(value, wanted) or isinstance(value, bool):
                raise SwitchError(
                    f"cannot switch on {self.name}: {name} is {value!r}; write it like {self.params[name]!r}"
                )
        return self.params | given


FAULTS = {
    fault.name: fault
    for fault in (
        Fault(
            name="crash",
            does="exits with status 1",
            repair="restart",
            restart_heals=True,
            in_worker=True,
        ),
        Fault(
            name="hang",
            does="stops itself (SIGSTOP): the process is there and answers nothing",
            repair="restart by force, a stopped process does not hear SIGTERM",
            restart_heals=True,
            in_worker=True,
        ),
        Fault(
            name="slow_start",
            does="exits; once started again it is unhealthy for `seconds`",
            repair="restart once, then wait: another restart begins the wait anew",
            restart_heals=False,
            survives=True,
            in_worker=True,
            params={"seconds": 5.0},
        ),
        Fault(
            name="crash_loop",
            does="exits, and so do the next `times` starts after `seconds`",
            repair="restart with growing pauses; after some failures stop and tell a person",
            restart_heals=False,
            survives=True,
            in_worker=True,
            params={"times": 3.0, "seconds": 0.2},
        ),
        Fault(
            name="memory_leak",
            does="grows by `mb_per_second` up to `percent` of its memory limit",
            repair="restart",
            restart_heals=True,
            in_worker=True,
            params={"mb_per_second": 100.0, "percent": 95.0},
        ),
        Fault(
            name="error_burst",
            does="raises an exception in `share` of all predictions: they answer 500",
            repair="restart",
            restart_heals=True,
            params={"share": 1.0},
        ),
        Fault(
            name="latency",
            does="answers predictions and `/health` after `seconds`",
            repair="restart",
            restart_heals=True,
            params={"seconds": 3.0},
        ),
        Fault(
            name="disk_fill",
            does="fills `cache/*.tmp`, made to look `age_hours` old, up to `percent` of its disk quota",
            repair="clean up the cache; the files outlive a restart",
            restart_heals=False,
            survives=True,
            in_worker=True,
            params={"mb_per_second": 200.0, "percent": 95.0, "age_hours": 48.0},
        ),
        Fault(
            name="log_flood",
            does="writes and rotates `logs/*.log` up to `percent` of its disk quota",
            repair="compress or remove rotated logs; the files outlive a restart",
            restart_heals=False,
            survives=True,
            in_worker=True,
            params={"mb_per_second": 100.0, "percent": 95.0},
        ),
        Fault(
            name="dependency_down",
            does="acts as if what it depends on were down, for `seconds` (0: until switched off)",
            repair="repair what it depends on; a restart of this one is wrong",
            restart_heals=False,
            survives=True,
            params={"seconds": 0.0},
        ),
        Fault(
            name="wrong_health",
            does='`/health` answers 200 with `answer` "unhealthy" (a JSON status) or "garbage" (no JSON)',
            repair="restart",
            restart_heals=True,
            params={"answer": "unhealthy"},
        ),
        Fault(
            name="port_lost",
            does="closes its port and all connections while the process lives on",
            repair="restart",
            restart_heals=True,
        ),
    )
}


def as_table() -> str:
    """Write all faults as a Markdown table, as README.md shows it."""
    return "\n".join(_rows()) + "\n"


def _rows() -> Iterator[str]:
    yield "| fault | what it does | parameters | a correct repair | a restart heals | worker too |"
    yield "|---|---|---|---|---|---|"
    for fault in FAULTS.values():
        params = ", ".join(
            f"`{name}` {value:g}" if isinstance(value, float) else f"`{name}` {value}"
            for name, value in fault.params.items()
        )
        answers = ("yes" if said else "no" for said in (fault.restart_heals, fault.in_worker))
        yield f"| `{fault.name}` | {fault.does} | {params} | {fault.repair} | {' | '.join(answers)} |"
