"""The demo service as its clients see it: well, and with each fault switched on."""

import http.client
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.examples.running import FOLDER, Running, Start, eventually

ROOT = FOLDER.parents[1]

pytestmark = pytest.mark.slow


def healthy(service: Running) -> bool:
    return bool(service.get("/health")[0] == 200)


def test_a_fresh_service_is_healthy_and_has_room(start: Start) -> None:
    service = start.service("--name", "prices")
    status, body = service.get("/health")
    assert (status, body["status"], body["service"]) == (200, "healthy", "prices")
    assert service.get("/status")[1]["checks"]["start"]["state"] == "ok"
    assert 0 < service.reading("memory_percent") < 75
    assert service.reading("disk_percent") == 0
    assert service.get("/health/system")[1]["cpu_count"] > 0


def test_the_same_question_gets_the_same_answer_also_after_a_restart(start: Start) -> None:
    service = start.service()
    status, first = service.predict("4h")
    assert status == 200
    assert 0.5 <= first["confidence"] <= 0.95
    service = start.again(service)
    assert service.predict("4h") == (200, first)


def test_predictions_are_counted_by_status_and_timeframe(start: Start) -> None:
    service = start.service()
    assert service.predict("1d")[0] == 200
    assert service.predict("2h")[0] == 422
    service.get("/health")
    service.get("/made/up/by/a/client")
    text = service.get("/metrics")[1]
    assert 'prediction_requests_total{status="200",timeframe="1d"} 1.0' in text
    assert 'prediction_requests_total{status="422",timeframe="wrong"} 1.0' in text
    assert "prediction_duration_seconds_count 2.0" in text
    assert 'http_requests_total{method="GET",path="/health",status="200"} 1.0' in text
    assert 'http_requests_total{method="GET",path="other",status="404"} 1.0' in text


def test_a_copy_of_the_folder_elsewhere_runs_by_its_path(start: Start, tmp_path: Path) -> None:
    copied = tmp_path / "devops_agent" / "_examples" / "market_predictor"
    shutil.copytree(FOLDER, copied, ignore=shutil.ignore_patterns("__pycache__"))
    assert healthy(start.service(folder=copied))


def test_it_runs_as_a_module_of_the_repository() -> None:
    command = [sys.executable, "-m", "examples.market_predictor", "faults"]
    told = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert told in (FOLDER / "README.md").read_text(), "README.md shows another table of faults than the code has"


def test_it_ends_when_told_to(start: Start) -> None:
    service = start.service()
    service.process.terminate()
    assert service.exit_status() in {0, -signal.SIGTERM}


def test_a_port_in_use_is_refused_with_the_way_out(start: Start) -> None:
    second = start.service(port=start.service().port)
    assert second.exit_status() == 1
    assert second.process.stderr
    assert "choose another --port" in second.process.stderr.read()


def test_without_leave_there_are_no_faults(start: Start) -> None:
    service = start.service()
    assert service.ask("POST", "/faults/crash")[0] == 404
    (start.state_dir / "faults" / "crash.json").touch()
    service = start.again(service)
    assert healthy(service)


def test_faults_are_listed_and_wrong_ones_refused(start: Start) -> None:
    service = start.service("--faults")
    service.break_by("latency", seconds=0)
    faults = service.get("/faults")[1]
    assert [name for name, fault in faults.items() if fault["on"]] == ["latency"]
    assert service.ask("POST", "/faults/earthquake")[0] == 404
    status, body = service.ask("POST", "/faults/latency", {"minutes": 1})
    assert (status, body["detail"]) == (422, "cannot switch on latency: no parameter 'minutes'; known: seconds")
    assert service.ask("POST", "/faults/latency", {"seconds": "many"})[0] == 422
    assert service.ask("DELETE", "/faults/latency")[0] == 200
    assert not service.get("/faults")[1]["latency"]["on"]


def test_crash_ends_the_process_and_a_restart_heals(start: Start) -> None:
    service = start.service("--faults")
    service.break_by("crash")
    assert service.exit_status() == 1
    assert healthy(start.again(service))


def test_hang_leaves_a_process_that_answers_nothing_and_a_restart_heals(start: Start) -> None:
    service = start.service("--faults")
    service.break_by("hang")
    eventually(lambda: psutil.Process(service.process.pid).status() == psutil.STATUS_STOPPED)
    with pytest.raises(TimeoutError):
        service.get("/health", timeout=0.1)
    assert healthy(start.again(service))


def test_slow_start_is_unhealthy_for_a_while_after_the_next_start_only(start: Start) -> None:
    service = start.service("--faults")
    service.break_by("slow_start", seconds=1.5)
    assert service.exit_status() == 1
    service = start.again(service)
    status, body = service.get("/health")
    assert (status, body["failing"][0]["name"]) == (503, "start")
    assert service.predict()[0] == 503
    eventually(lambda: healthy(service))
    eventually(lambda: not service.get("/faults")[1]["slow_start"]["on"])
    assert healthy(start.again(service))


def test_a_start_delay_holds_for_every_start(start: Start) -> None:
    service = start.service("--faults", "--start-delay", "60")
    assert not healthy(service)
    assert not healthy(start.again(service, "--start-delay", "60"))


def test_crash_loop_ends_the_next_starts_too_and_then_no_more(start: Start) -> None:
    service = start.service("--faults")
    service.break_by("crash_loop", times=2, seconds=0)
    assert service.exit_status() == 1
    for _ in range(2):
        again = start.service("--faults")
        assert again.exit_status() == 1
    assert healthy(start.service("--faults"))


def test_memory_leak_grows_towards_the_limit_and_a_restart_heals(start: Start) -> None:
    service = start.service("--faults")
    service.break_by("memory_leak", mb_per_second=1000)
    eventually(lambda: service.reading("memory_percent") > 90)
    assert service.reading("memory_percent") < 100
    assert start.again(service).reading("memory_percent") < 75


def test_error_burst_fails_the_share_of_predictions_asked_for(start: Start) -> None:
    service = start.service("--faults")
    service.break_by("error_burst", share=0.5)
    assert [service.predict()[0] for _ in range(4)] == [200, 500, 200, 500]
    assert healthy(service)
    service.ask("DELETE", "/faults/error_burst")
    assert [service.predict()[0] for _ in range(2)] == [200, 200]
    assert 'prediction_requests_total{status="500",timeframe="1h"} 2.0' in service.get("/metrics")[1]


def test_latency_makes_clients_give_up_and_a_restart_heals(start: Start) -> None:
    service = start.service("--faults")
    service.break_by("latency", seconds=60)
    with pytest.raises(TimeoutError):
        service.predict(timeout=0.1)
    with pytest.raises(TimeoutError):
        service.get("/health", timeout=0.1)
    assert service.get("/status")[0] == 200
    assert healthy(start.again(service))


def test_disk_fill_outlives_a_restart_and_a_clean_up_heals_for_good(start: Start) -> None:
    service = start.service("--faults")
    service.break_by("disk_fill", mb_per_second=1000)
    eventually(lambda: not service.get("/faults")[1]["disk_fill"]["on"])
    service = start.again(service)
    assert 94 < service.reading("disk_percent") < 96
    for file in (start.state_dir / "cache").glob("*.tmp"):
        assert file.stat().st_mtime < (start.state_dir / "cache").stat().st_mtime - 24 * 3600
        file.unlink()
    assert service.reading("disk_percent") == 0


def test_log_flood_leaves_rotated_logs_that_outlive_a_restart(start: Start) -> None:
    service = start.service("--faults", "--name", "prices")
    service.break_by("log_flood", mb_per_second=1000)
    eventually(lambda: not service.get("/faults")[1]["log_flood"]["on"])
    assert start.again(service).reading("disk_percent") > 90
    assert list((start.state_dir / "logs").glob("prices.log.*"))


def test_a_fault_that_was_not_finished_goes_on_after_a_restart(start: Start) -> None:
    service = start.service("--faults")
    service.break_by("disk_fill", mb_per_second=0.001)
    assert start.again(service).get("/faults")[1]["disk_fill"]["on"]


def test_dependency_down_outlives_a_restart_until_it_is_switched_off(start: Start) -> None:
    service = start.service("--faults")
    service.break_by("dependency_down")
    service = start.again(service)
    status, body = service.get("/health")
    assert (status, body["failing"][0]["name"]) == (503, "dependency")
    (start.state_dir / "faults" / "dependency_down.json").unlink()
    eventually(lambda: healthy(service))


def test_a_real_dependency_that_is_down_makes_it_unhealthy(start: Start) -> None:
    dependency = start.service()
    service = start.service("--depends-on", f"{dependency.url}/health")
    assert healthy(service)
    dependency.end()
    status, body = service.get("/health")
    assert (status, body["failing"][0]["name"]) == (503, "dependency")
    assert service.get("/status")[1]["dependencies"]["dependency"]["state"] == "failing"


def test_wrong_health_answers_200_with_a_lie_or_garbage(start: Start) -> None:
    service = start.service("--faults")
    service.break_by("wrong_health")
    assert service.get("/health") == (200, {"status": "unhealthy"})
    service.break_by("wrong_health", answer="garbage")
    assert service.get("/health") == (200, "<html>%%%")
    assert healthy(start.again(service))


def test_port_lost_refuses_connections_while_the_process_lives(start: Start) -> None:
    service = start.service("--faults")
    kept = http.client.HTTPConnection("127.0.0.1", int(service.port), timeout=10)
    kept.request("GET", "/health")
    kept.getresponse().read()
    service.break_by("port_lost")

    def refused() -> bool:
        try:
            service.get("/health")
        except ConnectionError:
            return True
        return False

    eventually(refused)
    assert kept.sock.recv(1) == b"", "a connection that was open is closed too"
    kept.close()
    assert service.process.poll() is None
    assert healthy(start.again(service))
