"""How values are written for people."""

import math

import pytest

from devops_agent.model.sighting import Health, Sighting
from devops_agent.model.target import Target
from devops_agent.web.render import arguments, coded, limit, reading, reading_name, spell
from tests.plugins.posted import NOW


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (-5, "0 s"), (0, "0 s"), (0.04, "0.0 s"), (1.25, "1.2 s"), (12.6, "13 s"), (61, "1 min 1 s"),
        (3_600, "1 h 0 min"), (90_000, "1 d 1 h"),
    ],
)  # fmt: skip
def test_spans_are_written_in_at_most_two_units(seconds: float, written: str) -> None:
    assert spell(seconds) == written


@pytest.mark.parametrize(
    ("name", "value", "written"),
    [
        ("memory_percent", 61.04, "61.0 %"), ("latency_ms", 1234.0, "1,234 ms"), ("rss_bytes", 41_000_000, "41 MB"),
        ("rss_bytes", 2e18, "2e+06 TB"), ("restarts", 3.0, "3"), ("certificate_days", 13.5, "13.5 days"),
    ],
)  # fmt: skip
def test_readings_have_the_unit_that_their_name_ends_with(name: str, value: float, written: str) -> None:
    assert reading(value, name) == written


def test_a_readings_name_is_written_without_its_unit() -> None:
    assert reading_name("disk_percent") == "disk"
    assert reading_name("open_files") == "open files"


def test_a_limit_is_the_targets_own_and_days_left_have_none_above() -> None:
    one = Sighting(target=Target(name="x"), health=Health.WELL, since=NOW, seen_at=NOW)
    assert limit(one, "memory_percent") == 80.0
    assert limit(one, "certificate_days") == math.inf
    assert limit(one, "restarts") == math.inf


def test_what_stands_between_backticks_is_code_and_all_else_text() -> None:
    assert coded("see `a.b` & <i>") == "see <code>a.b</code> &amp; &lt;i&gt;"
    assert coded("`<b>`") == "<code>&lt;b&gt;</code>"
    assert coded("a ` alone") == "a ` alone"


def test_arguments_are_written_as_a_list() -> None:
    assert arguments({"paths": ("/a", "/b"), "older_than": "7d"}) == "paths: /a, /b, older_than: 7d"
