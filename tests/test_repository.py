"""The repository holds only what a stranger can use: no machine's paths, no bulk, no exception without its reason."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE_LIMIT = 300_000
PICTURE_LIMIT = 400_000
LONGEST_SCRIPT_LINE = 500
LONGEST_AGENTS_FILE = 60

# Each is written so that it does not match itself.
FOREIGN = [
    re.compile(pattern)
    for pattern in (
        r"(?<![\w./-])/(work)/",
        r"(?<![\w./-])/(root)/",
        r"(?<![\w./-])/(Users)/\w",
        r"/opt/(pypi|wheels)",
        r"(pypi)\.org",
        r"(pythonhosted)\.org",
        r"registry\.(npmjs)\.org",
        r"(?<!\w)--(index-url|extra-index-url|trusted-host|find-links)",
    )
]


def tracked_files() -> list[Path]:
    """Return what git tracks and is present; skip where the sources came without git."""
    if not (ROOT / ".git").exists():
        pytest.skip("these sources are no git clone")
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [path for name in listing.split("\0") if name and (path := ROOT / name).is_file()]


def text_of(path: Path) -> str:
    """Return the text of a file, or nothing for a picture and the like."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def test_no_file_names_a_machine_path_or_a_package_index() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in tracked_files()
        for number, line in enumerate(text_of(path).splitlines(), start=1)
        if any(pattern.search(line) for pattern in FOREIGN)
    ]
    assert found == []


def test_no_file_is_bulky() -> None:
    bulky = [
        f"{path.relative_to(ROOT)}: {path.stat().st_size} bytes"
        for path in tracked_files()
        if path.stat().st_size > (PICTURE_LIMIT if path.suffix == ".png" else SOURCE_LIMIT)
        and path.parent.name != "requirements"  # lock files hold a hash for every file of every package
    ]
    assert bulky == []


def test_every_script_of_the_page_is_readable_source() -> None:
    packed = [
        str(path.relative_to(ROOT))
        for path in tracked_files()
        if path.suffix in {".js", ".css"}
        and (".min." in path.name or any(len(line) > LONGEST_SCRIPT_LINE for line in text_of(path).splitlines()))
    ]
    assert packed == []


def test_every_ignored_lint_rule_carries_its_reason() -> None:
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    codes = [line for line in lines if re.match(r'\s*"[A-Z]+\d+",', line)]
    assert codes
    assert [line for line in codes if not re.search(r'",\s*# \w+', line)] == []


def test_the_lock_files_pin_every_package_with_hashes() -> None:
    for lock in sorted((ROOT / "requirements").glob("*.txt")):
        entries = re.split(r"\n(?=\S)", re.sub(r"(?m)^ *#.*\n?", "", lock.read_text(encoding="utf-8")).strip())
        assert [entry for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []


def test_the_notes_for_agents_stay_short() -> None:
    notes = ROOT / "AGENTS.md"
    lines = notes.read_text(encoding="utf-8").splitlines() if notes.exists() else []
    assert len(lines) <= LONGEST_AGENTS_FILE
