"""`devops-agent`: the table of all commands; a command's module is imported when it is called, not before."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from devops_agent import __version__
from devops_agent.cli import say
from devops_agent.cli.call import Call, config_option, explain
from devops_agent.cli.exits import Exit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_HERE = "devops_agent.cli"

SECTIONS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "Begin": {
        "init": ("starting:write_config", "Write a first agent.yaml for what is found on this machine."),
        "check": ("starting:check_config", "Say what is wrong in agent.yaml and the runbooks."),
        "doctor": ("starting:examine", "Look at everything the agent needs, and say what to mend."),
        "run": ("starting:run_both", "Run the agent, the page and the API."),
        "agent": ("starting:run_agent", "Run the agent alone: it watches and acts, and listens on nothing."),
        "web": ("starting:run_web", "Run the page and the API alone: they take alerts, and act on nothing."),
        "mcp": ("mcp:serve_mcp", "Serve MCP for editors and assistants."),
        "worker": ("starting:run_worker", "Run a worker: it looks closer, tells people, reports, and acts on nothing."),
        "login": ("tokens:make_link", "Print a link that opens the page once."),
    },
    "Look": {
        "status": ("looking:show_status", "Tell everything at a glance."),
        "targets": ("looking:list_targets", "List what is watched, and how it is."),
        "incidents": ("incidents:list_incidents", "List incidents, newest first."),
        "show": ("incidents:show_incident", "Tell everything about one incident."),
        "why": ("incidents:tell_why", "Tell what every rule of the guard said, and which decided."),
        "tail": ("following:follow_events", "Follow what happens, live."),
        "learning": ("learning:show_learning", "Tell what was learnt: how right it is, what helps, what may act."),
        "similar": ("knowledge:list_similar", "List earlier incidents like one, and what helped."),
        "proposals": ("knowledge:list_proposals", "List what recurs, and what would end it."),
        "replay": ("replay:replay", "Make past decisions again, by today's rules, without acting."),
        "statistics": ("looking:show_statistics", "Tell how often each action worked."),
        "oncall": ("people:tell_duty", "Tell who is on call, and what waits for a person."),
        "notices": ("people:list_notices", "List what people were told, by which channel; or why not."),
        "report": ("report:tell_report", "Tell a day, week or month in figures."),
        "postmortem": ("report:draft_post_mortem", "Draft the post-mortem of an incident."),
        "changes": ("report:log_changes", "Tell everything that was done, by whom, and why."),
    },
    "Decide": {
        "approvals": ("answering:list_approvals", "List the plans that wait for a yes or no."),
        "approve": ("answering:approve", "Let a plan be carried out."),
        "deny": ("answering:deny", "Refuse a plan."),
        "ack": ("people:acknowledge", "Take an incident, so that nobody else is called."),
        "handover": ("people:hand_over", "Hand an incident over to one person."),
        "guide": ("answering:guide", "Say which runbook to use for an incident."),
        "feedback": ("learning:give_feedback", "Say whether a diagnosis was right, and what a plan did."),
        "drafts": ("knowledge:list_drafts", "List runbooks drafted from what people did, for review."),
        "draft": ("knowledge:GROUP", "Show, accept or reject a drafted runbook."),
        "resolve": ("answering:resolve", "Close an incident by hand."),
        "restart": ("ordering:restart", "Order the restart of a target."),
        "order": ("ordering:order", "Order any action that a plugin offers."),
    },
    "Hold back": {
        "pause": ("holding:pause", "Stop automatic actions, on one target or on all."),
        "resume": ("holding:resume", "Let automatic actions go on."),
        "silence": ("holding:silence", "Let matching alerts open no incident for a while."),
        "silences": ("holding:list_silences", "List the silences that hold."),
        "unsilence": ("holding:unsilence", "End a silence."),
        "mute": ("people:mute", "Tell nobody of an incident or a target for a while."),
        "mutes": ("people:list_mutes", "List the mutes that hold."),
        "unmute": ("people:unmute", "End a mute."),
        "flags": ("holding:switch_flags", "Show the three switches, or switch one."),
    },
    "Keep": {
        "runbook": ("runbooks:GROUP", "List, show and test runbooks."),
        "audit": ("audit:GROUP", "Read the record of everything, and prove that it is whole."),
        "account": ("accounts:GROUP", "Make accounts for people, and change what they may do."),
        "token": ("tokens:GROUP", "Make, list and revoke tokens for the API."),
        "notify": ("people:NOTIFY", "Try the channels by which people are told."),
        "schema": ("shell:print_schema", "Print the JSON Schema of agent.yaml or of runbooks, for editors."),
        "completion": ("shell:print_completion", "Print what makes a shell complete these commands."),
    },
    "Practise": {
        "demo": ("practising:demo", "Break a small made-up site, and watch it heal."),
        "drill": ("practising:drill", "Measure how well faults are found and healed."),
    },
}
"""Section of the help → command → (where it is, what it does)."""


class Root(click.Group):
    """The group of all commands, which are loaded when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return every command's name, in the order of the help."""
        del ctx
        return [name for section in SECTIONS.values() for name in section]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
        del ctx
        for section in SECTIONS.values():
            if cmd_name in section:
                module, _, attribute = section[cmd_name][0].partition(":")
                found: click.Command = getattr(import_module(f"{_HERE}.{module}"), attribute)
                return found
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by section, without importing any."""
        width = max(len(name) for name in self.list_commands(ctx))
        for title, section in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), says) for name, (_, says) in section.items()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a first path and the exit codes."""
        del ctx
        with formatter.section("First steps"):
            formatter.write_dl(
                [
                    ("devops-agent demo", "see it heal a made-up site, needs nothing"),
                    ("devops-agent init", "write agent.yaml for what runs here"),
                    ("devops-agent run", "watch it, and act where you allowed it"),
                ]
            )
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(int(code)), code.says) for code in Exit])

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 — whatever the command returns
        """Call the command; what was foreseen is told in a sentence, never as a traceback."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            raise click.exceptions.Exit(Exit.INTERRUPTED) from None
        except BrokenPipeError:
            _leave_pipe()
            raise click.exceptions.Exit(Exit.OK) from None
        except Exception as error:
            trouble = explain(error)
            if trouble is None:
                raise
            for line in str(trouble).splitlines():
                say.note(line)
            raise click.exceptions.Exit(trouble.code) from error


def _leave_pipe() -> None:
    """Let nothing be written any more: whoever read our output, such as `head`, has seen enough."""
    import os

    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


@click.group(cls=Root, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="devops-agent")
@config_option
@click.pass_context
def root(ctx: click.Context) -> None:
    """Watch services, repair what is safe to repair, prove that it worked, and call a person otherwise.

    Commands work on the store directly, so they also work while the agent or the page is down. Those that print data
    take --json. COMMAND --help explains each, with an example.
    """
    ctx.ensure_object(Call)


def walk(
    group: click.Group | None = None, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every command with its words (`("token", "create")`), groups too."""
    here = group or root
    ctx = click.Context(here)
    for name in here.list_commands(ctx):
        found = here.get_command(ctx, name)
        if found is None:
            continue
        yield (*path, name), found
        if isinstance(found, click.Group):
            yield from walk(found, (*path, name))


def main() -> int:
    """Run the command line; the exit code is that of the command."""
    root(prog_name="devops-agent")
    return int(Exit.OK)
