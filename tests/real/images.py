"""Container images made from what this machine has, for engines that can pull none."""

import io
import json
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
APPLETS = (
    "sh", "cat", "cp", "dd", "df", "echo", "env", "false", "head", "httpd", "kill", "ls", "mkdir", "nc", "ps",
    "printf", "rm", "sleep", "sort", "tail", "test", "touch", "true", "wc", "wget", "yes",
)  # fmt: skip
PYTHON_SETTINGS = (
    "ENV PYTHONPATH=/app/packages:/app/src:/app",
    f"ENV PATH={sys.base_prefix}/bin:/bin",
    "ENV PYTHONUNBUFFERED=1",
    "WORKDIR /app",
    'CMD ["python3", "-m", "http.server", "--bind", "127.0.0.1", "0"]',
)
_NOT_NEEDED = shutil.ignore_patterns(
    "__pycache__", "test", "tests", "site-packages", "idlelib", "lib2to3", "ensurepip", "tkinter", "turtledemo",
    "config-*", "*.a",
)  # fmt: skip


def as_json(words: Sequence[str]) -> str:
    """Write a command as Docker's CMD and ENTRYPOINT take it."""
    return json.dumps(list(words))


def busybox(binary: str) -> bytes:
    """Return a root file system with a static busybox and its applets, as tar."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder in ("bin", "tmp", "etc"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(entry)
        tar.add(Path(binary).resolve(), "bin/busybox")
        for applet in APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    return buffer.getvalue()


def python() -> bytes:
    """Return a root file system with this interpreter, the project's dependencies, its source and examples, as tar."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _copy_interpreter(root)
        _copy_dependencies(root / "app" / "packages")
        for part in ("src", "examples", "runbooks"):
            if (ROOT / part).is_dir():
                shutil.copytree(ROOT / part, root / "app" / part, ignore=shutil.ignore_patterns("__pycache__"))
        _copy_libraries(root)
        for name in ("tmp", "etc", "bin"):
            (root / name).mkdir(exist_ok=True)
        shutil.copy2("/bin/busybox", root / "bin" / "sh")
        (root / "etc" / "hosts").write_text("127.0.0.1 localhost\n")
        return subprocess.run(["tar", "-C", folder, "-c", "."], check=True, capture_output=True).stdout


def _copy_interpreter(root: Path) -> None:
    library = Path(sysconfig.get_path("stdlib"))
    shutil.copytree(library, root / library.relative_to("/"), ignore=_NOT_NEEDED, symlinks=True)
    binary = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    place = root / binary.relative_to("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(binary.resolve(), place)
    for alias in ("python", "python3"):
        (place.parent / alias).symlink_to(place.name)


def _copy_dependencies(place: Path) -> None:
    for needed in _closure("devops-ai-agent", seen=set()):
        base = Path(str(needed.locate_file("")))
        for top in {file.parts[0] for file in needed.files or () if file.parts[0] not in {"..", "__pycache__"}}:
            source = base / top
            if source.is_dir():
                shutil.copytree(source, place / top, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
            elif source.is_file() and source.suffix != ".pth":
                place.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, place / top)


def _closure(name: str, *, seen: set[str]) -> Iterator[Distribution]:
    """Yield what a distribution needs to run, without its extras and itself."""
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return
    for line in found.requires or ():
        requirement = Requirement(line)
        wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if wanted and (key := requirement.name.lower().replace("_", "-")) not in seen:
            seen.add(key)
            try:
                yield distribution(key)
            except PackageNotFoundError:
                continue
            yield from _closure(key, seen=seen)


def _copy_libraries(root: Path) -> None:
    """Copy the shared libraries that the copied binaries name, and the loader."""
    binaries = [*root.rglob("*.so"), *root.rglob("*.so.*"), *root.rglob("bin/python3.*")]
    said = subprocess.run(["ldd", *binaries], check=False, capture_output=True, text=True).stdout
    paths = {word for line in said.splitlines() for word in line.split() if word.startswith("/") and ".so" in word}
    for path in sorted(paths):
        source, place = Path(path), root / path.lstrip("/")
        if source.is_file() and not place.exists() and not path.startswith(str(root)):
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source.resolve(), place)
