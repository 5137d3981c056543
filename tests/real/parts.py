"""Real programs for tests and benchmarks, on free ports of the loopback, each stopped by its own process id.

Everything here raises Missing when a program is not installed or does not start; `scripts/real-parts.sh` installs them.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.real import images

READY_WITHIN = 30.0
"""Seconds that a program may take until it is ready."""


class Missing(Exception):  # noqa: N818 — it reads as the reason that it is
    """A real part is not installed, or does not start here."""


def find(program: str, *folders: str) -> str:
    """Return the path of a program.

    Raises:
        Missing: it is not installed.

    """
    path = shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", *folders]))
    if path is None:
        raise Missing(f"{program} is not installed; `make real-parts` installs it")
    return path


def free_port() -> int:
    """Return a TCP port that nothing on the loopback uses at the moment."""
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port: int = asked.getsockname()[1]
        return port


@dataclass(kw_only=True)
class Program:
    """A program that was started here."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(cls, name: str, argv: Sequence[str], *, folder: Path, env: Mapping[str, str] | None = None) -> "Program":
        """Start a program in a session of its own; what it prints goes to NAME.log in `folder`."""
        log = folder / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env, start_new_session=True
            )
        return cls(name=name, process=process, log=log)

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Wait until the program is ready; stops it if it never is.

        Raises:
            Missing: it ended, or did not get ready in time; with the last lines of its log.

        """
        end = time.monotonic() + READY_WITHIN
        while time.monotonic() < end and self.process.poll() is None:
            if ready():
                return
            time.sleep(0.05)
        self.stop()
        last = "\n".join(self.log.read_text(errors="replace").splitlines()[-10:])
        raise Missing(f"{self.name} does not start here:\n{last}")

    def stop(self, within: float = 15.0) -> None:
        """End the program, with SIGKILL if it does not go by itself."""
        self.process.terminate()
        try:
            self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def answers(url: str) -> Callable[[], bool]:
    """Return a question: does `url` answer with a 2xx?"""

    def ask() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 — the URL is our own
                return bool(answer.status < 300)
        except (urllib.error.URLError, OSError):
            return False

    return ask


@dataclass(kw_only=True)
class Docker:
    """A private Docker engine: its own socket, images and containers; containers have the host's network or none."""

    folder: Path
    program: Program
    _python: str = ""

    @classmethod
    def start(cls, folder: Path | None = None) -> "Docker":
        """Start an engine; `folder` should be short, for a socket's path may have some 100 characters only."""
        dockerd = find("dockerd")
        find("docker")
        if os.geteuid() != 0:
            raise Missing("only root can start a private Docker engine")
        folder = folder or Path(tempfile.mkdtemp(prefix="engine-"))
        program = Program.start("dockerd", cls._argv(dockerd, folder), folder=folder)
        engine = cls(folder=folder, program=program)
        try:
            program.wait_until(lambda: engine.docker("version", check=False).returncode == 0)
        except Missing:
            engine._clean()
            raise
        return engine

    @property
    def socket(self) -> str:
        """Path of the engine's socket."""
        return str(self.folder / "d.sock")

    def docker(self, *args: str, check: bool = True, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        """Run Docker's own command-line program on this engine."""
        env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "DOCKER_HOST": f"unix://{self.socket}",
            "HOME": str(self.folder),
        }
        return subprocess.run([find("docker"), *args], check=check, input=stdin, capture_output=True, env=env)

    def say(self, *args: str) -> str:
        """Run Docker's program and return what it printed.

        Raises:
            RuntimeError: it failed; with what it said.

        """
        done = self.docker(*args, check=False)
        if done.returncode:
            message = f"docker {' '.join(args)}: {done.stderr.decode(errors='replace').strip()}"
            raise RuntimeError(message)
        return done.stdout.decode().strip()

    def busybox(self, tag: str = "busybox:1", *, command: Sequence[str] = ("sleep", "1000000")) -> str:
        """Make a small image with a shell and return its tag."""
        return self._import(images.busybox(find("busybox")), tag, ["CMD " + images.as_json(command)])

    def python(self, tag: str = "python:host") -> str:
        """Make (once) an image with this interpreter, the project's dependencies, its source and `examples`.

        Start something with `docker run --network host TAG python -m examples.market_predictor …`.
        """
        if not self._python:
            self._python = self._import(images.python(), tag, images.PYTHON_SETTINGS)
        elif tag != self._python:
            self.say("tag", self._python, tag)
        return tag

    def run(self, image: str, name: str, *options: str, command: Sequence[str] = (), network: str = "none") -> str:
        """Start a container with an init process (it stops at once) and return its id."""
        return self.say("run", "-d", "--init", "--network", network, "--name", name, *options, image, *command)

    def remove(self, *names: str) -> None:
        """Remove containers, running or not; those that are not there are no error."""
        self.docker("rm", "--force", "--volumes", *names, check=False)

    def remove_all(self) -> None:
        """Remove all containers."""
        # By their whole ids: the beginning of one may be another's name.
        if containers := self.say("ps", "--all", "--quiet", "--no-trunc").split():
            self.remove(*containers)

    def restart(self) -> None:
        """Stop the engine and start it again on the same folder: images and containers stay."""
        self.program.stop()
        self.program = Program.start("dockerd", self._argv(find("dockerd"), self.folder), folder=self.folder)
        self.program.wait_until(lambda: self.docker("version", check=False).returncode == 0)

    def stop(self) -> None:
        """Remove all containers, stop the engine, and delete its folder."""
        if self.program.process.poll() is None:
            self.remove_all()
            self.program.stop()
        self._clean()

    def _import(self, root: bytes, tag: str, changes: Sequence[str]) -> str:
        options = [part for change in changes for part in ("--change", change)]
        self.docker("import", *options, "-", tag, stdin=root)
        return tag

    def _clean(self) -> None:
        # The engine leaves these mounts behind, and what is mounted cannot be deleted.
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in sorted((mount for mount in mounts if mount.startswith(f"{self.folder}/")), reverse=True):
            subprocess.run(["umount", "--lazy", mount], check=False, capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    @staticmethod
    def _argv(dockerd: str, folder: Path) -> list[str]:
        return [
            *(dockerd, "--host", f"unix://{folder}/d.sock", "--pidfile", f"{folder}/pid"),
            *("--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"),
            *("--iptables=false", "--ip6tables=false", "--bridge=none", "--shutdown-timeout=3"),
        ]


@dataclass(kw_only=True)
class Server:
    """A running server with a configuration file of the test's own."""

    url: str
    folder: Path
    program: Program

    def stop(self) -> None:
        """End it."""
        self.program.stop()

    def reload(self) -> None:
        """Let it read its files in `folder` again."""
        self.program.process.send_signal(signal.SIGHUP)


def start_prometheus(
    folder: Path, config: str, *, rules: Mapping[str, str] | None = None, options: Sequence[str] = ()
) -> Server:
    """Start Prometheus with `config` as its prometheus.yml; `rules` are further files beside it (name → text).

    Its data is in `folder`/data, where there may be some already. Targets appear some 5 s after the start. Alerts are
    sent again every second.
    """
    binary = find("prometheus")
    port = free_port()
    for name, text in {"prometheus.yml": config, **(rules or {})}.items():
        (folder / name).write_text(text)
    argv = [
        *(binary, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"),
        *(f"--web.listen-address=127.0.0.1:{port}", "--rules.alert.resend-delay=1s", "--log.level=warn"),
        *options,
    ]
    url = f"http://127.0.0.1:{port}"
    program = Program.start("prometheus", argv, folder=folder)
    program.wait_until(answers(f"{url}/-/ready"))
    return Server(url=url, folder=folder, program=program)


def start_alertmanager(folder: Path, config: str) -> Server:
    """Start Alertmanager with `config` as its alertmanager.yml."""
    binary = find("prometheus-alertmanager")
    port = free_port()
    (folder / "alertmanager.yml").write_text(config)
    argv = [
        *(binary, f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/data"),
        *(f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=", "--log.level=warn"),
    ]
    url = f"http://127.0.0.1:{port}"
    program = Program.start("alertmanager", argv, folder=folder)
    program.wait_until(answers(f"{url}/-/ready"))
    return Server(url=url, folder=folder, program=program)


@dataclass(kw_only=True)
class Postgres:
    """A fresh PostgreSQL cluster that asks for no password."""

    port: int
    folder: Path
    program: Program
    durable: bool
    _made: list[str] = field(default_factory=list)

    @classmethod
    def start(cls, *, durable: bool = False) -> "Postgres":
        """Make and start a cluster; without `durable` it does not wait for the disk."""
        tools = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
        initdb, server = (find(name, *map(str, tools)) for name in ("initdb", "postgres"))
        # PostgreSQL refuses to run as root, and its user must be able to reach the folder.
        other_user = [find("runuser"), "-u", "postgres", "--"] if os.geteuid() == 0 else []
        folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        if other_user:
            shutil.chown(folder, "postgres")
        made = subprocess.run(
            [*other_user, initdb, "-D", f"{folder}/data", "-A", "trust", "-U", "postgres", "-N", "-E", "UTF8"],
            check=False,
            capture_output=True,
            cwd=folder,
        )
        if made.returncode:
            shutil.rmtree(folder, ignore_errors=True)
            raise Missing(f"initdb does not work here:\n{made.stderr.decode(errors='replace')[-1000:]}")
        port = free_port()
        settings = {
            "port": port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": folder,
            "fsync": "on" if durable else "off",
            "max_connections": 200,
        }
        argv = [*other_user, server, "-D", f"{folder}/data", *(f"--{name}={value}" for name, value in settings.items())]
        program = Program.start("postgres", argv, folder=folder)
        cluster = cls(port=port, folder=folder, program=program, durable=durable)
        program.wait_until(cluster._ready)
        return cluster

    @property
    def url(self) -> str:
        """The URL of its own first database."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """Return the URL of one of its databases."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def create_database(self) -> str:
        """Create an empty database and return its URL."""
        import psycopg

        name = f"test_{len(self._made)}"
        self._made.append(name)
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return self.url_of(name)

    def drop_database(self, url: str) -> None:
        """Drop a database, also when somebody is connected to it."""
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{url.rpartition("/")[2]}" WITH (FORCE)'.encode())

    def kill(self) -> None:
        """End it the hard way, as a power failure would."""
        pid = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        self.program.process.wait()

    def stop(self) -> None:
        """End it and delete its folder."""
        pid_file = self.folder / "data" / "postmaster.pid"
        if self.program.process.poll() is None and pid_file.exists():
            # SIGINT: do not wait for clients that are still connected.
            os.kill(int(pid_file.read_text().split()[0]), signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self.program.process.wait(15)
        self.program.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _ready(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True
