"""Where settings come from, as people are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_agent.config.origin import Configured, written
from devops_agent.config.problems import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def test_each_setting_names_its_line_or_its_variable(tmp_path: Path) -> None:
    file = tmp_path / "agent.yaml"
    file.write_text(
        "web:\n  listen: 127.0.0.1:1\nguard:\n  strikes: {count: 2}\ntargets:\n  - name: api\n    via: docker\n"
    )
    found = written(file, environ={"DEVOPS_AGENT_LISTEN": "127.0.0.1:2", "DEVOPS_AGENT_LOG__LEVEL": "debug", "X": "y"})
    assert found == {
        "web.listen": "$DEVOPS_AGENT_LISTEN",
        "log.level": "$DEVOPS_AGENT_LOG__LEVEL",
        "guard.strikes.count": "agent.yaml:4",
        "targets": "agent.yaml:6",
        "targets[0].name": "agent.yaml:6",
        "targets[0].via": "agent.yaml:7",
    }
    assert Configured(written=found).origin("web.listen") == "$DEVOPS_AGENT_LISTEN"
    assert Configured(written=found).origin("web.public_url") == ""


def test_without_a_file_there_is_only_the_environment() -> None:
    assert written(None, environ={"AUTO_REMEDIATION_ENABLED": "false"}) == {
        "flags.AUTO_REMEDIATION_ENABLED": "$AUTO_REMEDIATION_ENABLED"
    }


@given(text=st.text(alphabet="ab:-[]{} \n#'\"&*!|>%$\t1", max_size=60))
def test_whatever_the_file_holds_it_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_text(text)
    try:
        found = written(file, environ={})
    except ConfigError:
        return
    assert all(place and where.startswith("any.yaml") for place, where in found.items() if place)
