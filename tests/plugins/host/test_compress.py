"""What is left of a compression that was killed, at each instant where it may be."""

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from devops_agent.plugins.host.compress import CannotCompressError, compress
from devops_agent.plugins.host.roots import open_root
from devops_agent.plugins.host.walk import Found, walk
from tests.plugins.host.given import write

CONTENT = b"the same line again and again\n" * 10_000


@pytest.fixture
def folder(root: Path) -> Iterator[int]:
    folder = open_root(str(root))
    yield folder
    os.close(folder)


def the(folder: int, name: str) -> Found:
    return next(step[1] for step in walk(folder) if step and step[1].name == name)


def run(folder: int, found: Found) -> int:
    steps = compress(folder, found)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            freed: int = end.value
            return freed


def test_a_half_written_copy_of_a_killed_run_is_begun_again(folder: int, root: Path) -> None:
    write(root / "a.log", CONTENT)
    (root / "a.log.gz.part").write_bytes(b"half")
    run(folder, the(folder, "a.log"))
    assert gzip.decompress((root / "a.log.gz").read_bytes()) == CONTENT
    assert [path.name for path in root.iterdir()] == ["a.log.gz"]


def test_a_whole_copy_of_a_killed_run_is_not_made_again(folder: int, root: Path) -> None:
    write(root / "a.log", CONTENT)
    copy = write(root / "a.log.gz", gzip.compress(CONTENT))
    made = copy.stat()
    assert run(folder, the(folder, "a.log")) == len(CONTENT)
    assert [path.name for path in root.iterdir()] == ["a.log.gz"]
    assert (copy.stat().st_ino, copy.stat().st_mtime_ns) == (made.st_ino, made.st_mtime_ns)


@pytest.mark.parametrize(
    "other",
    [gzip.compress(b"older", mtime=0), gzip.compress(CONTENT, mtime=0)[:-9], b"no gzip", b""],
    ids=["older", "cut off", "no gzip", "empty"],
)
def test_a_copy_with_other_content_is_never_lost(folder: int, root: Path, other: bytes) -> None:
    write(root / "a.log", CONTENT)
    write(root / "a.log.gz", other)
    run(folder, the(folder, "a.log"))
    assert (root / "a.log.gz").read_bytes() == other
    (stamped,) = root.glob("a.log-*.gz")
    assert gzip.decompress(stamped.read_bytes()) == CONTENT
    assert not (root / "a.log").exists()


def test_a_file_written_meanwhile_stays(folder: int, root: Path) -> None:
    log = write(root / "a.log", CONTENT)
    steps = compress(folder, the(folder, "a.log"))
    next(steps)
    with log.open("ab") as writer:
        writer.write(b"late line\n")
    with pytest.raises(CannotCompressError, match="changed meanwhile"):
        list(steps)
    assert log.read_bytes() == CONTENT + b"late line\n"
    assert [path.name for path in root.iterdir()] == ["a.log"]


def test_what_does_not_get_smaller_stays(folder: int, root: Path) -> None:
    write(root / "a.log", os.urandom(2000))
    with pytest.raises(CannotCompressError, match="smaller"):
        run(folder, the(folder, "a.log"))
    assert [path.name for path in root.iterdir()] == ["a.log"]


def test_a_file_with_further_names_stays(folder: int, root: Path) -> None:
    os.link(write(root.parent / "outside", CONTENT), root / "a.log")
    with pytest.raises(CannotCompressError, match="2 names"):
        run(folder, the(folder, "a.log"))
    assert (root.parent / "outside").read_bytes() == CONTENT


def test_links_laid_in_the_way_of_the_copy_lead_nowhere(folder: int, root: Path) -> None:
    outside = write(root.parent / "outside", b"precious")
    write(root / "a.log", CONTENT)
    (root / "a.log.gz.part").symlink_to(outside)
    (root / "a.log.gz").symlink_to(outside)
    run(folder, the(folder, "a.log"))
    assert outside.read_bytes() == b"precious"
    (stamped,) = root.glob("a.log-*.gz")
    assert gzip.decompress(stamped.read_bytes()) == CONTENT


def test_a_link_in_place_of_the_file_is_not_read(folder: int, root: Path) -> None:
    outside = write(root.parent / "outside", b"secret" * 1000)
    log = write(root / "a.log", CONTENT)
    found = the(folder, "a.log")
    log.unlink()
    log.symlink_to(outside)
    with pytest.raises(OSError, match="symbolic links"):
        run(folder, found)
    assert outside.exists()
