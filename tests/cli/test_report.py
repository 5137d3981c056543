"""Reports, post-mortems and the log of changes on the command line."""

from tests.cli.calling import Caller


def test_a_time_is_told_in_figures(site: Caller) -> None:
    told = site.says("report", "daily", "--since", "1d")
    assert "# Custom report" in told
    assert "| Incidents | 4 |" in told
    page = site.says("report", "weekly", "--html")
    assert page.lstrip().startswith("<!doctype html>")
    assert site.document("report", "weekly", "--since", "7d")["figures"]["incidents"] == 4


def test_a_report_of_a_name_that_there_is_not_is_refused_with_the_way_out(site: Caller) -> None:
    assert "write daily 2026-11-20" in site.refuses("report", "weekly", "--name", "last", code=2)
    assert "before it begins" in site.refuses("report", "daily", "--since", "1d", "--until", "2d", code=2)
    assert "write 7d (ago)" in site.refuses("changes", "--since", "long ago", code=2)


def test_a_post_mortem_is_drafted(site: Caller) -> None:
    told = site.says("postmortem", "inc-1")
    assert told.startswith("# Post-mortem of INC-1: ")
    assert "(draft)" in told
    for heading in ("Impact", "Cause", "What helped", "Action items", "Timeline"):
        assert f"## {heading}" in told
    assert site.document("postmortem", "INC-1")["incident"] == "INC-1"
    assert "INC-99" in site.refuses("postmortem", "INC-99", code=3)


def test_everything_that_was_done_is_told(site: Caller) -> None:
    told = site.document("changes", "--since", "1d")
    assert "docker.restart" in {one["what"] for one in told["changes"]}
    assert "| UTC | What | Target | By | Why | Result | Taken back |" in site.says("changes")


def test_before_the_first_start_there_is_nothing_to_tell_of(fresh: Caller) -> None:
    assert fresh.refuses("report", "weekly", code=4)
