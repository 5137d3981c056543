"""Names, times, figures and log frames as the engine and the kernel write them."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from devops_agent.plugins.docker.cgroup import sample
from devops_agent.plugins.docker.client import frames
from devops_agent.plugins.docker.find import image_name
from devops_agent.plugins.docker.state import state_of, when
from devops_agent.plugins.docker.usage import Usage, usage_of

CONTAINER = "ab" * 32


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("postgres", "postgres"),
        ("postgres:15", "postgres"),
        ("library/postgres:15", "postgres"),
        ("docker.io/library/postgres", "postgres"),
        ("prom/prometheus:v2.42.0", "prom/prometheus"),
        ("docker.io/prom/prometheus@sha256:0123", "prom/prometheus"),
        ("prom/prometheus:v2@sha256:0123", "prom/prometheus"),
        ("registry.example:5000/prom/prometheus:v2", "prom/prometheus"),
        ("localhost/shop", "shop"),
        ("localhost:5000/shop:1", "shop"),
        ("quay.io/prometheus/alertmanager", "prometheus/alertmanager"),
    ],
)
def test_an_image_has_a_name_whatever_is_around_it(reference: str, name: str) -> None:
    assert image_name(reference) == name


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-01-05T12:00:00.123456789Z", datetime(2026, 1, 5, 12, 0, 0, 123456, tzinfo=UTC)),
        ("2026-01-05T14:00:00.5+02:00", datetime(2026, 1, 5, 12, 0, 0, 500000, tzinfo=UTC)),
        ("2026-01-05T12:00:00Z", datetime(2026, 1, 5, 12, 0, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", None),
        ("", None),
        (None, None),
    ],
)
def test_reads_the_engines_times(text: str | None, time: datetime | None) -> None:
    assert when(text) == time


@pytest.mark.parametrize(
    ("word", "running"),
    [
        ("running", True),
        ("paused", True),
        ("restarting", False),
        ("exited", False),
        ("dead", False),
        ("created", False),
    ],
)
def test_only_what_has_a_process_runs(word: str, *, running: bool) -> None:
    said = {"Status": word, "Running": True, "ExitCode": 1, "StartedAt": "2026-01-05T12:00:00Z", "Pid": 7}
    state = state_of({"Id": CONTAINER, "Name": "/web", "Image": "sha256:1", "Config": {"Image": "a:1"}, "State": said})
    assert (state.running, state.pid, state.since is not None) == (running, 7 if running else None, running)
    assert (state.healthy is False) == (word == "paused")


def test_takes_logs_apart_and_bears_a_cut_off_end() -> None:
    body = b"\x01\0\0\0\0\0\0\x04one\n" + b"\x02\0\0\0\0\0\0\x04two\n" + b"\x01\0\0\0\0\0\0\x09cut"
    assert list(frames(body)) == [("stdout", b"one\n"), ("stderr", b"two\n"), ("stdout", b"cut")]
    assert list(frames(b"\x01\0\0")) == []


@pytest.mark.parametrize("cache", ["total_inactive_file", "inactive_file"])
def test_memory_is_counted_without_the_page_cache(cache: str) -> None:
    usage = usage_of({"memory_stats": {"usage": 900, "limit": 1000, "stats": {cache: 500}}})
    assert (usage.memory_bytes, usage.memory_percent) == (400, 40.0)
    assert usage_of({}).memory_percent is None


def test_processor_time_is_a_share_of_one_processor() -> None:
    def at(cpu: int, system: int) -> Usage:
        return Usage(memory_bytes=0, memory_limit_bytes=0, cpu_ns=cpu, system_ns=system, processors=4, pids=1)

    assert at(1500, 6000).cpu_percent(at(500, 2000)) == 100.0
    assert at(1500, 2000).cpu_percent(at(500, 2000)) is None
    assert at(100, 6000).cpu_percent(at(500, 2000)) is None  # it was restarted in between


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    proc = tmp_path / "proc"
    (proc / "7").mkdir(parents=True)
    (proc / "meminfo").write_text("MemTotal:       1000 kB\nMemFree: 1 kB\n")
    (proc / "stat").write_text("cpu  10 0 10 70 10 0 0 0 0 0\ncpu0 1 1\n")
    return tmp_path


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_reads_control_groups_of_the_second_version(kernel: Path) -> None:
    (kernel / "proc/7/cgroup").write_text(f"0::/system.slice/docker-{CONTAINER}.scope/init\n")
    group = kernel / f"tree/system.slice/docker-{CONTAINER}.scope"
    write(group, memory__current="900\n", memory__max="max\n", memory__stat="anon 1\ninactive_file 500\n")
    write(group, cpu__stat="usage_usec 25\nuser_usec 20\n", pids__current="3\n")
    usage = sample(CONTAINER, 7, proc=kernel / "proc", tree=kernel / "tree")
    assert usage == Usage(
        memory_bytes=400,
        memory_limit_bytes=1000 * 1024,
        cpu_ns=25_000,
        system_ns=100 * (1_000_000_000 // os.sysconf("SC_CLK_TCK")),
        processors=os.cpu_count() or 1,
        pids=3,
    )


def test_reads_control_groups_of_the_first_version(kernel: Path) -> None:
    lines = (f"{number}:{name}:/docker/{CONTAINER}" for number, name in enumerate(("memory", "cpu,cpuacct", "pids")))
    (kernel / "proc/7/cgroup").write_text("\n".join(lines) + "\n0::/\n")
    end = f"docker/{CONTAINER}"
    write(kernel / "tree/memory" / end, memory__usage_in_bytes="900", memory__limit_in_bytes="2000")
    write(kernel / "tree/memory" / end, memory__stat="inactive_file 1\ntotal_inactive_file 500")
    write(kernel / "tree/cpuacct" / end, cpuacct__usage="123")
    write(kernel / "tree/pids" / end, pids__current="3")
    usage = sample(CONTAINER, 7, proc=kernel / "proc", tree=kernel / "tree")
    assert usage is not None
    assert (usage.memory_bytes, usage.memory_limit_bytes, usage.cpu_ns, usage.pids) == (400, 2000, 123, 3)


def test_a_process_of_another_container_is_not_taken_for_it(kernel: Path) -> None:
    (kernel / "proc/7/cgroup").write_text("0::/docker/" + "cd" * 32 + "\n")
    assert sample(CONTAINER, 7, proc=kernel / "proc", tree=kernel / "tree") is None
    assert sample(CONTAINER, 8, proc=kernel / "proc", tree=kernel / "tree") is None
