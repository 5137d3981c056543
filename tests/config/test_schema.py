from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest
import yaml

from devops_agent.config import docs
from devops_agent.config.described import field_docs
from devops_agent.config.init import Found, initial_text
from devops_agent.config.read import keys_of
from devops_agent.config.runbooks import shipped_folder
from devops_agent.config.schema import runbook_schema, settings_schema, written_as
from devops_agent.config.settings import Settings
from devops_agent.config.shape import SHAPES
from devops_agent.config.targets import ProbeForm, TargetForm
from devops_agent.model.runbook import Runbook
from tests.config.samples import problems

ROOT = Path(__file__).parents[2]

GOOD = """\
polling: {well: 1h30m, trouble: 5, jitter: 0.2, rise: "${RISE:-2}"}
thresholds: {memory_percent: off, cpu_percent: 90%, disk_percent: null}
guard: {trust: ask, never_touch: postgres}
maintenance: [{cron: 0 3 * * sun, targets: "*"}]
targets:
  - {name: a, docker: a-1, url: "http://127.0.0.1:1", paths: {status: false}, depends_on: b}
  - {name: b, process: {name: b, command: [x]}, tcp: "127.0.0.1:1", thresholds: {disk_percent: 99}, trust: ask}
  - {name: c, tcp: ["a:1"], probes: [{url: "http://x", json: {a: 1}, expect_status: 200, max_latency: 2s}]}
"""


def schema_problems(schema: dict[str, Any], text: str) -> list[str]:
    validator = jsonschema_rs.Draft202012Validator(schema)
    return [f"{error.instance_path}: {error.message}" for error in validator.iter_errors(yaml.safe_load(text))]


def structs(kind: Any) -> Iterator[type[msgspec.Struct]]:  # noqa: ANN401 — a type
    return docs.structs_in(kind)


def all_structs(kind: type[msgspec.Struct]) -> set[type[msgspec.Struct]]:
    found: set[type[msgspec.Struct]] = set()
    waiting = [kind]
    while waiting:
        here = waiting.pop()
        if here not in found:
            found.add(here)
            waiting += [inner for field in keys_of(here).values() for inner in structs(field.type)]
    return found


def test_the_schemas_are_schemas() -> None:
    for schema in (settings_schema(), runbook_schema()):
        jsonschema_rs.meta.validate(schema)


def test_what_the_loader_reads_the_schema_allows() -> None:
    assert problems(GOOD) == []
    assert schema_problems(settings_schema(), GOOD) == []
    assert schema_problems(settings_schema(), initial_text(Found())) == []


def test_shipped_runbooks_are_allowed() -> None:
    for file in shipped_folder().glob("*.yaml"):
        assert schema_problems(runbook_schema(), file.read_text()) == []


@pytest.mark.parametrize(
    "text",
    [
        "polling: {wel: 3s}",
        "polling: {jitter: 0.9}",
        "polling: {well: soon}",
        "guard: {trust: atuo}",
        "log: {level: loud}",
        "maintenance: [{lasts: 1h}]",
        "targets: [{dokcer: x}]",
        "targets: {a: {}}",
        "web: {listen: nowhere}",
    ],
)
def test_what_the_loader_refuses_the_schema_refuses(text: str) -> None:
    assert problems(text) != []
    assert schema_problems(settings_schema(), text) != []


def test_every_setting_is_in_the_schema_and_described() -> None:
    for root, schema in ((Settings, settings_schema()), (Runbook, runbook_schema())):
        for kind in all_structs(root):
            properties = (schema if kind is root else schema["$defs"][kind.__name__])["properties"]
            assert list(properties) == list(keys_of(kind))
            plain = [field.name for field in keys_of(kind).values() if not list(structs(field.type))]
            assert [name for name in plain if name not in field_docs(kind)] == []


def test_rules_are_for_fields_that_there_are_and_defaults_keep_them() -> None:
    shapes = {**SHAPES, TargetForm: TargetForm.SHAPE, ProbeForm: ProbeForm.SHAPE}
    for kind, shape in shapes.items():
        fields = {field.name: field for field in msgspec.structs.fields(kind)}
        named = {*shape.rules, *shape.renamed, *shape.hidden, *shape.required}
        assert named <= set(fields) | {"kind"}
        for name, rule in shape.rules.items():
            default = fields[name].default
            if default not in (msgspec.NODEFAULT, None, "") and name not in shape.required:
                assert rule.refuses(default) == ""


def test_targets_are_written_in_their_own_form() -> None:
    assert {written_as(kind) for kind in structs(Settings)} == {Settings}
    assert TargetForm in all_structs(Settings)


def test_the_reference_pages_are_those_that_the_code_makes(tmp_path: Path) -> None:
    docs.write_pages(tmp_path)
    for page in sorted(tmp_path.iterdir()):
        kept = ROOT / "docs" / "reference" / page.name
        assert kept.read_text() == page.read_text(), f"{kept} is old; run `python -m devops_agent.config.docs`"
