"""The diagnosis benchmark reads its data's forms and counts places; the figures themselves are not asserted."""

import gzip
import json
import lzma
from pathlib import Path

import pytest

from benchmarks.diagnosis import measure, place, wilson
from benchmarks.nezha import SYSTEMS, faults
from benchmarks.petshop import SPLITS, issues

ALARM = 1_680_000_000
HEADS = "n,front,front,front,db,db,db\nm,latency,requests,availability,latency,requests,availability\n"
STATISTICS = "s,Average,Sum,Average,Average,Sum,Average\nunix_timestamp,,,,,,\n"


def table(begin: int, front: float, database: float, *, steps: int) -> str:
    rows = [f"{begin + 300 * step},{front + step % 3 / 100},50,100,{database},50,100" for step in range(steps)]
    return HEADS + STATISTICS + "\n".join([*rows, f"{begin - 300},,nan,,x,,"]) + "\n"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for split in SPLITS:
        folder = tmp_path / "petshop" / split
        folder.mkdir(parents=True)
        folder.joinpath("graph.csv").write_text(
            ",front,db,apart\nfront,0.0,1.0,0.0\ndb,0.0,0.0,0.0\napart,1.0,0.0,0.0\n"
        )
        folder.joinpath("noissue.csv.gz").write_bytes(
            gzip.compress(table(ALARM - 100_000, 0.1, 0.01, steps=30).encode())
        )
        issue = {
            "target": {"node": "front", "metric": "latency", "timestamp": ALARM},
            "root_cause": {"node": "db", "metric": None},
            "metadata": {"command": "delay"},
            "metrics_csv": table(ALARM, 0.6, 0.5, steps=3),
        }
        folder.joinpath("issues.jsonl.gz").write_bytes(gzip.compress(json.dumps(issue).encode()))
    folder = tmp_path / "nezha"
    folder.mkdir()
    minutes = []
    for days in SYSTEMS.values():
        for day in days:
            fault = {"inject_time": f"{day} 10:30:30", "inject_pod": "db-5f-x1", "inject_type": "cpu_contention"}
            (folder / f"{day}-fault_list.json").write_text(json.dumps({"10": [fault]}))
            rows = [
                f"{day} 10:{minute:02}:10,{name}-5f-x1,{90 if name == 'db' and 31 <= minute < 35 else 5 + minute % 2}"
                for minute in range(60)
                for name in ("front", "db")
            ]
            told = "\n".join(["Time,PodName,CpuUsageRate(%)", *rows])
            (folder / f"{day}-metrics.csv.xz").write_bytes(lzma.compress(told.encode()))
            for minute, period, slow in ((0, "construct", 1), (30, "fault", 40), (50, "fault", 1)):
                spans = [
                    ["front", "shop.Db/Read", 20, 5.0 + slow, 3.0, 3.0],
                    ["db", "/shop.Db/Read", 20, 2.0 + slow, 2.0 + slow, 3.0],
                ]
                logs = {"db": [20, 0]}
                minutes.append(
                    {"day": day, "period": period, "minute": f"10_{minute:02}", "spans": spans, "logs": logs}
                )
    (folder / "trace-log-aggregates.jsonl.xz").write_bytes(
        lzma.compress("\n".join(json.dumps(minute) for minute in minutes).encode())
    )
    return tmp_path


def test_the_interval_of_a_share_is_wilsons() -> None:
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-3)
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(0, 5)[0] == 0


def test_an_issue_holds_what_the_one_with_the_symptom_can_reach(data: Path) -> None:
    (issue,) = issues(data / "petshop", SPLITS[0])
    assert [one.name for one in issue.components] == ["db", "front"]
    assert issue.fault == "delay"
    assert place(issue.cause, issue.components, issue.window) == 1


def test_calls_are_put_back_from_operations_that_two_name_alike(data: Path) -> None:
    first, _ = faults(data / "nezha", "Online Boutique")
    components = {one.name: one for one in first.components}
    assert components["front"].calls == ("db",)
    assert components["db"].calls == ()
    assert components["db"].operations[0].serves
    assert first.kind == "cpu contention"
    assert place(first.cause, first.components, first.window) == 1


def test_nothing_recorded_later_is_used_when_it_must_not(data: Path) -> None:
    for fault in faults(data / "nezha", "Online Boutique", later=False):
        series = next(one for one in fault.components[0].series if one.name.startswith("Cpu"))
        assert fault.window[0] < max(series.times) <= fault.window[1]


def test_all_figures_are_told_with_their_intervals(data: Path) -> None:
    rows = measure(quick=False, data=data)
    assert all("95 %" in row.what for row in rows if "AC@" in row.what)
    assert all(row.value == 1 for row in rows)
    assert {row.peer for row in rows} == {"", "graph traversal", "self time and error logs"}
    assert len(measure(quick=True, data=data)) == len(rows)
