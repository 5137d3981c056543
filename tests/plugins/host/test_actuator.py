import asyncio
import gzip
import os
from datetime import timedelta
from pathlib import Path

import pytest

from devops_agent.kit.http import Http
from devops_agent.kit.testing import ActuatorContract, OpenGuardian, StrictGuardian, tools
from devops_agent.model.action import Effect, Step
from devops_agent.model.identity import Identity, Protected
from devops_agent.model.target import Target
from devops_agent.plugins.host.actuator import HostActuator, build
from devops_agent.ports import PluginError, Untouchable
from tests.plugins.host.given import Make, size_of, with_rules, write

CLEAN = Step(name="clean", action="host.clean")
COMPRESS = Step(name="compress", action="host.compress_logs")


class TestHostActuator(ActuatorContract):
    leaves_a_trace = False

    @pytest.fixture
    def target(self, root: Path) -> Target:
        write(root / "a.tmp")
        return with_rules({"root": str(root), "patterns": ["*.tmp"]})

    @pytest.fixture
    def unknown_target(self) -> Target:
        return Target(name="elsewhere", via="docker")

    @pytest.fixture
    def safe_step(self) -> Step:
        return CLEAN

    @pytest.fixture
    def slow_step(self) -> Step | None:
        return CLEAN.with_(timeout=timedelta(0))


async def test_what_matches_is_old_and_large_enough_goes_and_all_else_stays(actuator: HostActuator, root: Path) -> None:
    goes = [write(root / "a.tmp"), write(root / "deep" / "er" / "b.tmp")]
    stays = [
        write(root / "young.tmp", hours_old=1),
        write(root / "small.tmp", b"x"),
        write(root / "a.txt"),
        write(root.parent / "outside.tmp"),
    ]
    before = size_of(root)
    rule = {"root": str(root), "patterns": ["*.tmp"], "older_than": "2h", "min_size": 100}
    result = await actuator.execute(CLEAN, target=with_rules(rule), key="1")
    assert not any(path.exists() for path in goes)
    assert all(path.exists() for path in stays)
    assert (result.data["bytes_freed"], result.data["files"]) == (before - size_of(root), 2)
    assert result.says == "cleaned 2 files, 0.0 MB freed"


async def test_a_dry_run_tells_exactly_what_would_be_done_and_does_nothing(actuator: HostActuator, root: Path) -> None:
    write(root / "a.tmp")
    write(root / "b.log", b"line\n" * 500)
    target = with_rules(
        {"root": str(root), "patterns": ["*.tmp"]}, {"root": str(root), "patterns": ["*.log"], "action": "compress"}
    )
    before = size_of(root)
    dry = await actuator.execute(CLEAN.with_(args={"dry_run": True}), target=target, key="1")
    assert size_of(root) == before
    assert not dry.changed
    real = await actuator.execute(CLEAN, target=target, key="2")

    def told(data: dict[str, object]) -> list[tuple[object, object]]:
        done = data["done"]
        assert isinstance(done, list)
        return [(each["path"], each["action"]) for each in done]

    assert told(dry.data) == told(real.data) == [(f"{root}/a.tmp", "delete"), (f"{root}/b.log", "compress")]


async def test_the_newest_are_kept(actuator: HostActuator, root: Path) -> None:
    for age in range(50, 55):
        write(root / str(age) / f"{age}.log", hours_old=age)
    rule = {"root": str(root), "patterns": ["*.log"], "keep": 2}
    await actuator.execute(CLEAN, target=with_rules(rule), key="1")
    assert sorted(path.name for path in root.rglob("*.log")) == ["50.log", "51.log"]


async def test_a_pattern_with_a_slash_fits_part_by_part(actuator: HostActuator, root: Path) -> None:
    goes = write(root / "cache" / "a" / "x.bin")
    stays = [write(root / "cache" / "x.bin"), write(root / "cache" / "a" / "b" / "x.bin"), write(root / "x.bin")]
    await actuator.execute(CLEAN, target=with_rules({"root": str(root), "patterns": ["cache/*/*.bin"]}), key="1")
    assert not goes.exists()
    assert all(path.exists() for path in stays)


async def test_a_file_that_a_process_has_open_is_left_and_told(actuator: HostActuator, root: Path) -> None:
    held = write(root / "held.tmp")
    write(root / "free.tmp")
    with held.open("rb"):
        result = await actuator.execute(CLEAN, target=with_rules({"root": str(root), "patterns": ["*"]}), key="1")
    assert held.exists()
    assert result.data["refused"] == [{"path": str(held), "reason": "a process has it open"}]
    assert "left alone: 1" in result.says


async def test_links_are_never_followed(actuator: HostActuator, root: Path) -> None:
    outside = write(root.parent / "outside" / "a.tmp")
    (root / "folder").symlink_to(outside.parent)
    (root / "file.tmp").symlink_to(outside)
    await actuator.execute(CLEAN, target=with_rules({"root": str(root), "patterns": ["*"]}), key="1")
    assert outside.exists()
    assert (root / "file.tmp").is_symlink()


async def test_a_root_behind_a_link_is_refused(actuator: HostActuator, root: Path) -> None:
    outside = write(root.parent / "outside" / "a.tmp")
    (root / "way").symlink_to(outside.parent)
    result = await actuator.execute(CLEAN, target=with_rules({"root": f"{root}/way", "patterns": ["*"]}), key="1")
    assert outside.exists()
    assert "a link lies on the way" in result.says


@pytest.mark.parametrize(
    "wrong",
    [
        "/",
        "/etc",
        "/etc/nginx",
        "/usr/share",
        "/bin",
        "/boot/x",
        "/proc/1",
        "/home",
        "/home/ann",
        "/root",
        "/var/lib/x",
    ],
)
async def test_what_a_machine_lives_on_is_refused_even_if_it_was_allowed(tmp_path: Path, wrong: str) -> None:
    actuator = build({"allowed_roots": ["/", wrong]}, tools=tools(tmp_path, http=Http()))
    with pytest.raises(PluginError, match="never cleaned"):
        await actuator.execute(CLEAN, target=with_rules({"root": wrong, "patterns": ["*"]}), key="1")


@pytest.mark.parametrize("wrong", ["relative", "{root}/../outside", "{root}x", "{root}/./..", ""])
async def test_only_what_is_allowed_word_for_word_can_be_a_root(actuator: HostActuator, root: Path, wrong: str) -> None:
    write(root.parent / "outside" / "a.tmp")
    write(root.parent / "rootx" / "a.tmp")
    rule = {"root": wrong.format(root=root), "patterns": ["*"]}
    with pytest.raises(PluginError, match=r"no plain absolute path|in no allowed root"):
        await actuator.execute(CLEAN, target=with_rules(rule), key="1")
    assert (root.parent / "outside" / "a.tmp").exists()


async def test_nothing_is_allowed_by_default(tmp_path: Path, root: Path) -> None:
    actuator = build({}, tools=tools(tmp_path, http=Http()))
    with pytest.raises(PluginError, match="allowed: none"):
        await actuator.execute(CLEAN, target=with_rules({"root": str(root), "patterns": ["*"]}), key="1")


async def test_a_root_that_holds_something_protected_is_refused(make: Make, root: Path) -> None:
    old = write(root / "logs" / "old.tmp")
    own = Protected(what="store", why="its database", is_=Identity(paths=frozenset({f"{root}/state"})))
    target = with_rules({"root": str(root), "patterns": ["*.tmp"]})
    with pytest.raises(Untouchable, match="store"):
        await make(StrictGuardian(own)).execute(CLEAN, target=target, key="1")
    assert old.exists()
    narrower = with_rules({"root": f"{root}/logs", "patterns": ["*.tmp"]})
    assert (await make(StrictGuardian(own)).execute(CLEAN, target=narrower, key="2")).data["files"] == 1


async def test_old_logs_are_compressed_and_can_be_read_again(actuator: HostActuator, root: Path) -> None:
    content = b"one line after the other\n" * 2000
    log = write(root / "app.log.1", content)
    log.chmod(0o640)
    before, written = size_of(root), log.stat().st_mtime_ns
    target = with_rules({"root": str(root), "patterns": ["*.log.*"], "action": "compress"})
    result = await actuator.execute(COMPRESS, target=target, key="1")
    copy = root / "app.log.1.gz"
    assert gzip.decompress(copy.read_bytes()) == content
    assert [path.name for path in root.iterdir()] == ["app.log.1.gz"]
    assert (copy.stat().st_mtime_ns, copy.stat().st_mode & 0o777) == (written, 0o640)
    assert result.data["bytes_freed"] == before - size_of(root)
    again = await actuator.execute(COMPRESS, target=target, key="2")
    assert (again.data["files"], again.changed) == (0, False)


async def test_nothing_to_compress_is_no_error_and_no_rules_are_one(actuator: HostActuator, root: Path) -> None:
    target = with_rules({"root": str(root), "patterns": ["*"]})
    assert not (await actuator.execute(COMPRESS, target=target, key="1")).changed
    with pytest.raises(PluginError, match=r"no rules \(targets\[bare\]\.options\.clean\)"):
        await actuator.execute(CLEAN, target=Target(name="bare", via="host"), key="2")


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ({"root": "/x", "patterns": ["*"], "older_then": "1h"}, "older_then"),
        ({"root": "/x", "patterns": ["*"], "older_than": "old"}, "is no duration"),
        ({"root": "/x", "patterns": []}, "needs patterns"),
        ({"root": "/x", "patterns": ["*"], "keep": -1}, "below 0"),
        ({"root": "/x", "patterns": ["*"], "action": "burn"}, "burn"),
    ],
)
async def test_a_wrong_rule_is_told_and_nothing_is_done(
    actuator: HostActuator, rule: dict[str, object], says: str
) -> None:
    with pytest.raises(PluginError, match=says):
        await actuator.execute(CLEAN, target=with_rules(rule), key="1")


async def test_a_log_in_use_is_emptied_only_when_the_rule_says_so(actuator: HostActuator, root: Path) -> None:
    content = b"a line\n" * 5000
    log = write(root / "app.log", content)
    rule = {"root": str(root), "patterns": ["*.log"], "action": "compress", "older_than": 0}
    with log.open("ab") as writer:
        await actuator.execute(COMPRESS, target=with_rules(rule), key="1")
        assert log.read_bytes() == content
        await actuator.execute(COMPRESS, target=with_rules({**rule, "truncate_open": True}), key="2")
        writer.write(b"next\n")
    assert log.read_bytes() == b"next\n"
    (copy,) = root.glob("app.log-*.gz")
    assert gzip.decompress(copy.read_bytes()) == content


async def test_a_cancelled_clean_up_leaves_no_half_written_file(actuator: HostActuator, root: Path) -> None:
    log = write(root / "big.log.1", os.urandom(1 << 20) * 40)
    target = with_rules({"root": str(root), "patterns": ["*.log.1"], "action": "compress"})
    task = asyncio.create_task(actuator.execute(COMPRESS, target=target, key="1"))
    while not (root / "big.log.1.gz.part").exists():  # noqa: ASYNC110 — another thread makes it
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert list(root.iterdir()) == [log]


async def test_the_largest_files_are_found(actuator: HostActuator, root: Path) -> None:
    write(root / "a" / "large", b"x" * 5000)
    write(root / "b" / "middle", b"x" * 3000)
    write(root / "small", b"x" * 10)
    os.link(root / "a" / "large", root / "b" / "again")
    step = Step(name="usage", action="host.disk_usage", args={"path": str(root), "top": 2})
    result = await actuator.execute(step, target=Target(name="here", via="host"), key="1")
    assert (result.data["bytes"], result.data["files"], result.data["whole"]) == (8010, 3, True)
    largest = result.data["largest"]
    assert isinstance(largest, list)
    assert [each["bytes"] for each in largest] == [5000, 3000]
    with pytest.raises(PluginError, match="No such file"):
        await actuator.execute(step.with_(args={"path": f"{root}/none"}), target=Target(name="h", via="host"), key="2")


async def test_without_a_path_the_largest_files_are_looked_for_where_the_rules_clean(make: Make, root: Path) -> None:
    write(root / "app" / "cache" / "large", b"x" * 5000)
    write(root / "app" / "logs" / "middle", b"x" * 3000)
    write(root / "elsewhere", b"x" * 9000)
    rules = [{"root": str(root / "app" / name), "patterns": ["*"]} for name in ("cache", "logs")]
    step = Step(name="usage", action="host.disk_usage")
    target = Target(name="app", via="process", options={"clean": rules})
    result = await make(OpenGuardian()).execute(step, target=target, key="1")
    assert (result.data["bytes"], result.data["files"]) == (8000, 2)


async def test_this_machine_is_there_and_nothing_tells_whether_it_was_cleaned(make: Make) -> None:
    actuator = make(OpenGuardian())
    state = await actuator.observe(Target(name="here", via="host"))
    assert (state.exists, state.running) == (True, True)
    assert actuator.effect(CLEAN, before=state, after=state) is Effect.UNKNOWN
