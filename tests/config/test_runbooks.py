from datetime import timedelta
from pathlib import Path

import pytest

from devops_agent.config.problems import ConfigError
from devops_agent.config.runbooks import load_runbooks
from devops_agent.model.action import Proof, Step
from devops_agent.model.runbook import Match, Runbook
from tests.config.samples import ACTIONS, runbook, runbook_problems

GOOD = """\
name: own
says: What it is for.
match: {kinds: [down], labels: {team: shop*}, via: docker}
steps:
  - name: look
    action: "{via}.logs"
    args: {lines: 50}
    optional: true
  - name: restart
    action: docker.restart
    timeout: 1m
    retries: 1
    when: state.running == false
    proof: {state: running, healthy: true, in_band: memory_percent, below: {queue: 5}, within: 90s, settle: 5s}
    undo: true
    go_on: true
settle: 1m30s
priority: 3
advice: Look at {target}.
"""


def test_a_runbook_is_read_with_everything_that_it_says() -> None:
    assert runbook(GOOD) == Runbook(
        name="own",
        says="What it is for.",
        match=Match(kinds=("down",), labels={"team": "shop*"}, via=("docker",)),
        steps=(
            Step(name="look", action="{via}.logs", args={"lines": 50}, optional=True),
            Step(
                name="restart",
                action="docker.restart",
                timeout=timedelta(minutes=1),
                retries=1,
                only_if="state.running == false",
                proof=Proof(
                    state="running",
                    healthy=True,
                    in_band=("memory_percent",),
                    below={"queue": 5.0},
                    within=timedelta(seconds=90),
                    settle=timedelta(seconds=5),
                ),
                undo=True,
                go_on=True,
            ),
        ),
        advice=("Look at {target}.",),
        settle=90.0,
        priority=3,
        source="own.yaml",
    )


def test_arguments_are_of_the_types_that_their_action_takes() -> None:
    found = runbook(
        "name: own\nsays: s\nmatch: {kinds: down}\nsteps:\n"
        "  - {name: a, action: docker.scale, args: {replicas: 3}}\n"
        "  - {name: b, action: process.signal, args: {signal: 15}}\n"
        "  - {name: c, action: host.clean, args: {dry_run: no}}\n"
        "  - {name: d, action: host.compress_logs, args: {older: 1h30m}}\n"
        "  - {name: e, action: host.disk_usage, args: {share: 1}}\n"
        "  - {name: f, action: command.reindex, args: {words: ['{target}', 5]}}\n"
        "  - {name: g, action: docker.scale, args: {replicas: '{labels.wanted}'}}\n"
    )
    assert [next(iter(step.args.values())) for step in found.steps] == [
        3,
        "15",
        False,
        "1h30m",
        1.0,
        ("{target}", "5"),
        "{labels.wanted}",
    ]


STEP = "name: own\nsays: s\nmatch: {kinds: down}\nsteps:\n  - name: a\n    "


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("says: s\nmatch: {kinds: down}\nadvice: x", "own.yaml:1: name: is missing"),
        ("name: Own\nsays: s\nmatch: {kinds: down}\nadvice: x", "own.yaml:1: name: 'Own' has a wrong form"),
        ("name: own\nsays: s\nmatch: {}\nadvice: x", "own.yaml:3: match: fits everything; name kinds, alerts, labels"),
        (
            "name: own\nsays: s\nmatch: {kinds: dwon}\nadvice: x",
            ("own.yaml:3: match.kinds[0]: no fault class 'dwon'; did you mean 'down'?"),
        ),
        ("name: own\nsays: s\nmatch: {kinds: down}", "own.yaml:1: says neither what to do nor what to tell"),
        (
            "name: own\nsays: s\nmatch: {kinds: down}\nadvice: Ask {nobody}.",
            (
                "own.yaml:4: advice[0]: {nobody} stands for nothing; known: {target}, {ref}, {via}, {incident}, "
                "{labels.X}, {readings.X}, {options.X}; {{nobody}} writes the braces"
            ),
        ),
        (
            STEP + "action: docker.restat",
            (
                "own.yaml:6: steps[0].action: no action 'docker.restat'; did you mean "
                "'docker.restart'? known: command.reindex, docker.logs"
            ),
        ),
        (
            STEP + 'action: "{via}.fly"',
            "own.yaml:6: steps[0].action: no action '{via}.fly'; did you mean '{via}.logs'?",
        ),
        (
            STEP + 'action: "{via}.rollback"',
            (
                "own.yaml:6: steps[0].action: process, supervisord, systemd cannot rollback; "
                "write `optional: true`, or name plugins in `match.via`"
            ),
        ),
        (
            STEP + 'action: "{labels.what}.restart"',
            "own.yaml:6: steps[0].action: an action's name holds no placeholder",
        ),
        (
            STEP + "action: docker.logs\n    args: {lins: 5}",
            ("own.yaml:7: steps[0].args.lins: docker.logs: no argument 'lins'; did you mean 'lines'? known: lines"),
        ),
        (
            STEP + "action: docker.logs\n    args: {lines: many}",
            ("own.yaml:7: steps[0].args.lines: 'many' is no whole number; write one such as 3"),
        ),
        (STEP + "action: docker.scale", "own.yaml:5: steps[0].args: docker.scale needs 'replicas': How many."),
        (
            STEP + "action: host.compress_logs\n    args: {older: long}",
            ("own.yaml:7: steps[0].args.older: 'long' is no duration; write 30s, 5m, 1h30m"),
        ),
        (STEP + "action: docker.restart\n    when: state.runing", "own.yaml:7: steps[0].when: a state has no 'runing'"),
        (
            STEP + "action: docker.restart\n    proof: {state: walking}",
            ("own.yaml:7: steps[0].proof.state: 'walking' is not allowed; allowed: running, stopped"),
        ),
        (
            STEP + "action: docker.restart\n    proof: {in_band: [memory]}",
            ("own.yaml:7: steps[0].proof.in_band: 'memory' is not allowed; allowed: memory_percent"),
        ),
        (
            STEP + "action: docker.restart\n    timeout: 2h",
            ("own.yaml:7: steps[0].timeout: 2h is out of range; allowed: 100ms to 1h"),
        ),
        (STEP + "action: docker.restart\n    risk: safe", "own.yaml:7: steps[0].risk: no setting 'risk'"),
        (
            STEP + "action: docker.restart\n  - name: a\n    action: docker.restart",
            ("own.yaml:7: steps[1].name: there is a step 'a' already"),
        ),
        (STEP + "action: docker.logs\n    args: {lines: {target}}", "own.yaml:7: steps[0].args.lines: "),
    ],
)
def test_a_wrong_runbook_is_refused_with_line_and_reason(text: str, told: str) -> None:
    assert runbook_problems(text)[0].startswith(told)


def test_a_later_folder_replaces_runbooks_of_an_earlier_one(tmp_path: Path) -> None:
    shipped, own = tmp_path / "shipped", tmp_path / "own"
    for folder, says in ((shipped, "theirs"), (own, "mine")):
        folder.mkdir()
        (folder / "a.yaml").write_text(GOOD.replace("What it is for.", says))
    (shipped / "b.yml").write_text(GOOD.replace("name: own", "name: other", 1))
    (own / "notes.txt").write_text("no runbook")
    found = load_runbooks([shipped, own], actions=ACTIONS)
    assert [(each.name, each.says) for each in found] == [("other", "What it is for."), ("own", "mine")]


def test_the_problems_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: a\n")
    (tmp_path / "b.yaml").write_text(GOOD)
    (tmp_path / "c.yaml").write_text(GOOD)
    with pytest.raises(ConfigError) as caught:
        load_runbooks([tmp_path, tmp_path / "gone"], actions=ACTIONS)
    told = str(caught.value).replace(f"{tmp_path}/", "").splitlines()
    assert told == [
        "a.yaml:1: match: is missing",
        "a.yaml:1: says: is missing",
        "c.yaml:1: name: there is a runbook 'own' already, in b.yaml",
        "gone: the runbooks' folder cannot be read: No such file or directory",
    ]
