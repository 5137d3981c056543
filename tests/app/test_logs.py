import io
import json
import logging

from devops_agent.app.logs import JsonLines, TextLines


def _line(formatter: logging.Formatter, event: str, **fields: object) -> str:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(formatter)
    record = logging.LogRecord("devops_agent.test", logging.INFO, __file__, 1, event, (), None)
    vars(record).update(fields)
    handler.emit(record)
    return out.getvalue().rstrip("\n")


def test_a_line_is_a_fixed_event_and_its_ids_as_fields() -> None:
    fields = {"target": "checkout", "was": "well", "says": "it exited", "empty": "", "none": []}
    shown = _line(TextLines("agent"), "health changed", **fields)
    assert shown.endswith('agent  INFO    health changed  target=checkout was=well says="it exited"')


def test_a_list_is_told_as_people_write_it() -> None:
    shown = _line(TextLines("agent"), "notice", next_steps=["look at /etc/hosts", "devops-agent guide INC-3 X"])
    assert shown.endswith('next_steps="look at /etc/hosts; devops-agent guide INC-3 X"')
    assert _line(TextLines("agent"), "targets found", targets=["a"]).endswith("targets=a")


def test_nobody_can_forge_a_line() -> None:
    shown = _line(TextLines("agent"), "notice", says="x\n12:00:00 agent INFO all is well", names=["a\nb"])
    assert len(shown.splitlines()) == 1


def test_for_machines_a_line_is_an_object_with_lists_as_they_are() -> None:
    told = json.loads(_line(JsonLines("web"), "notice", incident="INC-1", next_steps=["a", "b"]))
    assert (told["event"], told["role"], told["incident"], told["next_steps"]) == ("notice", "web", "INC-1", ["a", "b"])
