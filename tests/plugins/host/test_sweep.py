"""The rules of clean-up under attack and under chance."""

import os
import subprocess
import tempfile
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devops_agent.kit.testing import START
from devops_agent.plugins.host.config import Config, Rule, Way
from devops_agent.plugins.host.sweep import Account, sweep
from tests.effort import examples
from tests.plugins.host.given import size_of, write

NOW = START.timestamp()


def clean(rule: Rule, *, dry_run: bool = False) -> Account:
    account = Account(dry_run=dry_run)
    for _ in sweep([rule], config=Config(allowed_roots=(rule.root,)), now=NOW, account=account):
        pass
    return account


def test_a_folder_swapped_for_a_link_all_the_time_leads_nowhere(root: Path) -> None:
    outside = root.parent / "outside"
    for number in range(50):
        write(outside / f"{number}.tmp")
    parked, place = root / "parked", root / "place"
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            place.rename(parked)
            place.symlink_to(outside)
            place.unlink()
            parked.rename(place)

    place.mkdir()
    swapper = threading.Thread(target=swap)
    swapper.start()
    cleaned = 0
    try:
        for turn in range(60):
            write(root / f"{turn}.tmp")
            cleaned += clean(Rule(root=str(root), patterns=("*.tmp",))).files
            for action in (Way.DELETE, Way.COMPRESS):
                clean(Rule(root=str(place), patterns=("*.tmp",), action=action))
    finally:
        over.set()
        swapper.join()
    assert cleaned == 60
    assert sorted(path.name for path in outside.iterdir()) == sorted(f"{number}.tmp" for number in range(50))


def test_other_file_systems_are_left_alone_unless_allowed(root: Path) -> None:
    (root / "mounted").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(root / "mounted")]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("only root can mount another file system")
    try:
        write(root / "mounted" / "a")
        rule = Rule(root=str(root), patterns=("*",))
        seen = []
        for cross in (False, True):
            account = Account(dry_run=True)
            config = Config(allowed_roots=(str(root),), cross_devices=cross)
            list(sweep([rule], config=config, now=NOW, account=account))
            seen.append(account.files)
    finally:
        subprocess.run(["umount", str(root / "mounted")], check=True)
    assert seen == [0, 1]


names = st.sampled_from(["a.tmp", "b.tmp", "c.log", "d.log.1", "e", "f.gz", "g.gz.part"])
folders = st.sampled_from(["", "x", "x/y", "z"])
files = st.dictionaries(
    st.tuples(folders, names), st.tuples(st.integers(0, 3000), st.floats(0, 100), st.booleans()), max_size=12
)
rules: st.SearchStrategy[dict[str, object]] = st.builds(
    dict,
    patterns=st.sets(st.sampled_from(["*.tmp", "*.log*", "*", "x/*.tmp", "z/*"]), min_size=1, max_size=3).map(tuple),
    older_than=st.integers(0, 100).map(lambda hours: timedelta(hours=hours)),
    keep=st.integers(0, 4),
    min_size=st.integers(0, 2000),
    action=st.sampled_from(list(Way)),
)


@settings(max_examples=examples(150))
@given(files=files, rule=rules)
def test_only_old_matching_files_are_touched_and_the_bytes_add_up(
    files: dict[tuple[str, str], tuple[int, float, bool]], rule: dict[str, object]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder).resolve()
        outside = write(base / "outside" / "a.tmp", hours_old=1000)
        (base / "root").mkdir()
        for (where, name), (size, age, linked) in files.items():
            path = base / "root" / where / name
            if linked:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.symlink_to(outside)
            else:
                write(path, b"x" * size, hours_old=age)
        chosen = Rule(root=str(base / "root"), **rule)  # type: ignore[arg-type]
        _check(chosen, base, files)


def _check(rule: Rule, base: Path, files: dict[tuple[str, str], tuple[int, float, bool]]) -> None:
    root = base / "root"
    before = size_of(root)
    would = clean(rule, dry_run=True)
    assert size_of(root) == before
    account = clean(rule)
    assert account.freed == before - size_of(root)
    assert account.files + account.refusals == would.files + would.refusals
    assert (base / "outside" / "a.tmp").exists()
    gone = [key for key in files if not os.path.lexists(root / key[0] / key[1])]
    assert len(gone) == account.files
    for where, name in gone:
        size, age, linked = files[where, name]
        assert not linked
        assert age >= rule.older_than.total_seconds() / 3600
        assert size >= rule.min_size
        assert rule.action is Way.DELETE or not name.endswith((".gz", ".part"))
    if rule.keep:
        assert len(gone) <= max(0, sum(not linked for _, _, linked in files.values()) - rule.keep)
