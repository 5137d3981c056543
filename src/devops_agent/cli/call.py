"""One call of the program: which configuration, which output, who calls; and the way to the store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from devops_agent.cli.exits import Exit

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Sequence

    from devops_agent.config.settings import Settings
    from devops_agent.store import Store
    from devops_agent.store.rows import Rows

T = TypeVar("T")
TOKEN = "DEVOPS_AGENT_TOKEN"  # noqa: S105 — a variable's name


class Trouble(Exception):  # noqa: N818 — what it is called where it is told
    """Something foreseeable that ends the command: a sentence with the way out, and the exit code."""

    def __init__(self, message: str, code: Exit) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Call:
    """What the options before or after the command's name say."""

    config: Path | None = None
    as_json: bool = False

    @property
    def now(self) -> datetime:
        """The moment, UTC."""
        return datetime.now(UTC)

    @property
    def by(self) -> str:
        """Who calls, as the timeline shall say: `cli:` and the Unix user."""
        import os
        import pwd

        try:
            return f"cli:{pwd.getpwuid(os.getuid()).pw_name}"
        except KeyError:
            return f"cli:{os.getuid()}"

    def file(self) -> Path | None:
        """Return the configuration to use: the given one, else the one that is found."""
        from devops_agent.config import environment
        from devops_agent.config.load import find_config

        return find_config(self.config, environ=environment())

    def settings(self) -> Settings:
        """Return the settings.

        Raises:
            ConfigError: they are wrong.

        """
        from devops_agent.config import environment
        from devops_agent.config.load import load

        return load(self.file(), environ=environment())

    def token(self, file: str | None) -> str:
        """Return the token to call an API with: of a file, else of DEVOPS_AGENT_TOKEN.

        Raises:
            Trouble: there is neither.
            SecretError: the file cannot be read.

        """
        from devops_agent.config import environment
        from devops_agent.config.secrets import read_secret

        token = read_secret(file) if file else environment().get(TOKEN, "")
        if not token:
            says = (
                "cannot call the API without a token: `devops-agent token create NAME --scope read > FILE` makes one;"
                f" name it with --token-file FILE, or put it into {TOKEN}"
            )
            raise Trouble(says, Exit.CONFIG)
        return token

    def read(self, work: Callable[[Rows], T]) -> T:
        """Run `work`, which only reads, on the store.

        Raises:
            Trouble: there is no store yet.
            StoreError: it cannot be used.

        """
        return self.with_store(lambda store: store.read(work))

    def write(self, work: Callable[[Rows], T], *, tell: Iterable[str] | None = None, make: bool = False) -> T:
        """Run `work` in a transaction and wake those who wait for `tell`, by default responses and timeline.

        With `make` a store that is not there yet is made.

        Raises:
            Trouble: there is no store yet.
            StoreError: it cannot be used.

        """
        from devops_agent.engine.commands import TOPICS

        topics = tuple(TOPICS if tell is None else tell)
        return self.with_store(lambda store: store.write(work, tell=topics), make=make)

    def with_store(self, use: Callable[[Store], Coroutine[Any, Any, T]], *, make: bool = False) -> T:
        """Open the store and hand it to `use`."""
        import asyncio

        from devops_agent.config.secrets import read_secret
        from devops_agent.store import open_store

        settings = self.settings()
        if not make:
            _see_store(settings)
        password = read_secret(settings.store_password_file) if settings.store_password_file else ""

        async def opened() -> T:
            async with await open_store(settings.database, password=password) as store:
                return await use(store)

        return asyncio.run(opened())


class Command(click.Command):
    """A command with examples."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **more: Any) -> None:  # noqa: ANN401 — click's own
        super().__init__(*args, **more)
        self.examples = tuple(examples)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        with formatter.section("Example" if len(self.examples) == 1 else "Examples"):
            for example in self.examples:
                formatter.write(f"{'':>{formatter.current_indent}}{example}\n")
        super().format_epilog(ctx, formatter)


Given = TypeVar("Given", bound="Callable[..., Any]")


def command(name: str, *examples: str, data: bool = True) -> Callable[[Callable[..., Any]], Command]:
    """Return the decorator of a command: its name, its examples, `--config`, and `--json` when it prints `data`."""

    def decorate(function: Callable[..., Any]) -> Command:
        with_options = config_option(json_option(function) if data else function)
        return click.command(name, cls=Command, examples=examples)(click.pass_obj(with_options))

    return decorate


def config_option(function: Given) -> Given:
    """Add `--config` and `--color`, which may stand before or after a command's name."""
    with_color = click.option(
        "--color",
        type=click.Choice(["auto", "always", "never"]),
        help="Colours; auto: on a terminal, and not when NO_COLOR is set.",
        expose_value=False,
        callback=_keep_color,
    )(function)
    return click.option(
        "--config",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Configuration to use; else DEVOPS_AGENT_CONFIG, ./agent.yaml, /etc/devops-agent/agent.yaml.",
        expose_value=False,
        callback=_keep_config,
    )(with_color)


def json_option(function: Given) -> Given:
    """Add `--json`."""
    return click.option(
        "--json", is_flag=True, help="Print one JSON document instead.", expose_value=False, callback=_keep_json
    )(function)


class Span(click.ParamType[Any]):
    """A duration as people write it."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401
        """Return a timedelta."""
        from devops_agent.model.duration import DurationError, parse_duration

        if not isinstance(value, str):
            return value
        try:
            return parse_duration(value)
        except DurationError as error:
            self.fail(str(error), param, ctx)


SPAN = Span()


def pair_of(text: str, form: str) -> tuple[str, str]:
    """Return (name, value) of `name=value`.

    Raises:
        Trouble: it is of another form.

    """
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise Trouble(f"cannot read {text!r}; write {form}", Exit.USAGE)
    return name, value


def explain(error: Exception) -> Trouble | None:
    """Return what an error means to who called; None when nobody foresaw it."""
    from devops_agent.app.lock import TakenError
    from devops_agent.config.init import InitError
    from devops_agent.config.problems import ConfigError
    from devops_agent.config.secrets import SecretError
    from devops_agent.engine.commands import NotFoundError, RefusedError
    from devops_agent.engine.lifecycle import IllegalMoveError
    from devops_agent.kit.tools import SettingsError
    from devops_agent.ports import PluginError
    from devops_agent.store.rows import StaleError, StoreError

    match error:
        case Trouble():
            return error
        case NotFoundError():
            return Trouble(str(error), Exit.NOT_FOUND)
        case RefusedError() | IllegalMoveError() | StaleError() | InitError() | TakenError():
            return Trouble(str(error), Exit.REFUSED)
        case StoreError() | PluginError():
            return Trouble(str(error), Exit.UNREACHABLE)
        case ConfigError() | SecretError() | SettingsError():
            return Trouble(str(error), Exit.CONFIG)
        case _:
            return None


def _see_store(settings: Settings) -> None:
    """Say so when there is no store yet, instead of leaving an empty one where somebody only asked."""
    from devops_agent.store.rows import StoreError

    if not settings.database.startswith("sqlite:///"):
        return
    file = Path(settings.database.removeprefix("sqlite:///"))
    try:
        there = file.exists()
    except OSError as error:
        raise StoreError(f"cannot look at {file}: {error.strerror}; ask as the user that the agent runs as") from error
    if not there:
        says = settings.source or "the defaults (no agent.yaml was found; name one with --config)"
        raise StoreError(f"cannot find the store {file} of {says}; `devops-agent run` makes it")


def _keep_config(ctx: click.Context, param: click.Parameter, value: Path | None) -> None:
    del param
    if value is not None:
        ctx.ensure_object(Call).config = value


def _keep_color(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    del param
    if value is not None:
        ctx.color = {"always": True, "never": False}.get(value)
    elif ctx.parent is None:
        from devops_agent.config import environment

        ctx.color = False if environment().get("NO_COLOR") else None


def _keep_json(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: FBT001 — click's signature
    del param
    if value:
        ctx.ensure_object(Call).as_json = True
