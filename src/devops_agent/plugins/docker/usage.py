"""What a container uses, from the engine's samples; pure.

Memory is counted as `docker stats` does: without the page cache that the kernel may drop at any time.
"""

from dataclasses import dataclass

from devops_agent.plugins.docker.client import Json


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """One sample; counters rise from the container's start on."""

    memory_bytes: int
    memory_limit_bytes: int
    """The container's limit, or the machine's memory when it has none."""
    cpu_ns: int
    """Processor time used."""
    system_ns: int
    """Processor time of the whole machine, all processors."""
    processors: int
    pids: int

    @property
    def memory_percent(self) -> float | None:
        """Share of the limit; None when it is unknown, as for a container that does not run."""
        return round(100 * self.memory_bytes / self.memory_limit_bytes, 2) if self.memory_limit_bytes else None

    def cpu_percent(self, before: "Usage") -> float | None:
        """Return the share of one processor used since an earlier sample: 200 is two of them."""
        passed = self.system_ns - before.system_ns
        used = self.cpu_ns - before.cpu_ns
        return round(100 * used / passed * self.processors, 2) if passed > 0 and used >= 0 else None


def usage_of(stats: Json) -> Usage:
    """Read a sample."""
    memory = stats.get("memory_stats") or {}
    detail = memory.get("stats") or {}
    # The first name is that of cgroup v1, the second that of v2.
    cache = detail.get("total_inactive_file", detail.get("inactive_file", 0))
    used = memory.get("usage") or 0
    cpu = stats.get("cpu_stats") or {}
    processors = cpu.get("online_cpus") or len((cpu.get("cpu_usage") or {}).get("percpu_usage") or ()) or 1
    return Usage(
        memory_bytes=max(0, used - cache) if cache < used else used,
        memory_limit_bytes=memory.get("limit") or 0,
        cpu_ns=(cpu.get("cpu_usage") or {}).get("total_usage") or 0,
        system_ns=cpu.get("system_cpu_usage") or 0,
        processors=processors,
        pids=(stats.get("pids_stats") or {}).get("current") or 0,
    )
