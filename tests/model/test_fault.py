import pytest

from devops_agent.model.fault import FAULTS, kind_of, kind_of_name


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ServiceDown", "down"),
        ("TargetMissing", "down"),
        ("ContainerKilled", "down"),
        ("InstanceUnreachable", "unreachable"),
        ("DnsResolutionFailed", "unreachable"),
        ("HealthCheckFailing", "unhealthy"),
        ("ContainerOOMKilled", "out_of_memory"),
        ("OutOfMemory", "out_of_memory"),
        ("PodCrashLooping", "crash_loop"),
        ("ServiceRestartingTooOften", "crash_loop"),
        ("ServiceFlapping", "flapping"),
        ("DependencyDown", "dependency_down"),
        ("HighMemoryUsage", "memory_pressure"),
        ("MemoryLeak", "memory_pressure"),
        ("HostHighCpuLoad", "high_cpu"),
        ("HighErrorRate", "high_error_rate"),
        ("TooMany5xx", "high_error_rate"),
        ("TooManyRestarts", "crash_loop"),
        ("container_oom_kills", "out_of_memory"),
        ("KubeOomKill", "out_of_memory"),
        ("ServiceHangs", "unhealthy"),
        ("TooManyOpenFiles", "unknown"),
        ("HeadroomGone", "unknown"),
        ("LeaderChanged", "unknown"),
        ("LowMemberCount", "unknown"),
        ("DeadLetterQueueGrowing", "unknown"),
        ("HighLatency", "high_latency"),
        ("SlowResponseTime", "high_latency"),
        ("DiskFilling", "disk_filling"),
        ("NodeFilesystemAlmostOutOfSpace", "disk_filling"),
        ("LogVolumeGrowing", "log_growth"),
        ("CertificateExpiresSoon", "certificate_expiry"),
        ("TLSCertExpiry", "certificate_expiry"),
        ("SomethingElse", "unknown"),
        ("", "unknown"),
    ],
)
def test_the_name_of_an_alert_tells_the_class_of_its_fault(name: str, kind: str) -> None:
    assert kind_of_name(name) == kind


def test_a_label_may_name_the_class_outright() -> None:
    assert kind_of({"alertname": "HighLatency", "devops_agent_kind": "down"}) == "down"
    assert kind_of({"alertname": "HighLatency", "devops_agent_kind": "unheard of"}) == "high_latency"
    assert kind_of({}) == "unknown"


def test_every_class_is_listed_under_its_own_name_with_a_sentence() -> None:
    for kind, fault in FAULTS.items():
        assert fault.kind == kind
        assert fault.says


def test_trouble_with_the_agent_itself_outranks_all() -> None:
    assert max(FAULTS.values(), key=lambda fault: fault.rank).kind == "self"
