"""How reports write figures."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.analysis import paper, report
from devops_agent.kit.testing import START
from devops_agent.model.period import last_whole
from devops_agent.model.reading import Times
from devops_agent.model.report import Figures, OfTarget, Report
from devops_agent.model.slo import PERIOD, budget

WEEK = last_whole("weekly", now=START, where=ZoneInfo("UTC"))


@pytest.mark.parametrize(
    ("value", "written"),
    [(None, "not known"), (1.0, "100.00 %"), (0.5, "50.00 %"), (0.99996, "99.9960 %"), (0.9999999, "just under 100 %")],
)
def test_a_share_is_never_rounded_up_to_the_whole(value: float | None, written: str) -> None:
    assert report.share(value) == written


@given(st.floats(0, 1, exclude_max=True))
def test_what_is_no_whole_is_not_written_as_one(value: float) -> None:
    assert not report.share(value).startswith("100")


@given(st.floats(0, 1e10))
def test_a_span_has_two_units_at_the_most(seconds: float) -> None:
    assert len(report.span(seconds).split()) in (2, 4)


def told(**more: object) -> str:
    made = Report(
        period=WEEK,
        time_zone="Europe/Berlin",
        made_at=START,
        figures=Figures(),
        minutes_saved=20,
        **more,  # type: ignore[arg-type]
    )
    return paper.markdown(report.paper_of(made, url="https://agent.example"))


def test_a_quiet_week_is_a_short_report() -> None:
    text = told()
    assert "There were no incidents." in text
    assert "## Incidents" not in text
    assert "(Europe/Berlin)" in text


def test_an_overspent_budget_is_told_at_once() -> None:
    month = PERIOD.total_seconds()
    overspent = budget(Times(well=month - 7200, seen=month), objective=0.999, watched=PERIOD)
    api = OfTarget(
        target="api",
        availability=0.99,
        trouble_seconds=7200,
        unknown=0.0,
        maintenance_seconds=0.0,
        incidents=1,
        budget=overspent,
    )
    text = told(targets=(api,))
    assert "Out of error budget: api." in text
    assert "| [api](<https://agent.example/targets/api>) | 99.9 % | 99.722 % | none | 1 h 16 min too much |" in text
