"""For editors and shells: schemas, completion."""

from __future__ import annotations

import click

from devops_agent.cli import say
from devops_agent.cli.call import Call, command


@command("schema", "devops-agent schema settings > agent.schema.json", "devops-agent schema runbook", data=False)
@click.argument("kind", type=click.Choice(["settings", "runbook"]))
def print_schema(call: Call, kind: str) -> None:
    """Print the JSON Schema of agent.yaml or of runbooks, for editors.

    With `# yaml-language-server: $schema=agent.schema.json` as the first line of agent.yaml an editor completes,
    explains and checks it.
    """
    from devops_agent.config.schema import runbook_schema, settings_schema

    del call
    say.document(settings_schema() if kind == "settings" else runbook_schema())


@command("completion", 'eval "$(devops-agent completion bash)"', "devops-agent completion fish | source", data=False)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def print_completion(call: Call, shell: str) -> None:
    """Print what makes a shell complete these commands; put the first example into ~/.bashrc."""
    from click.shell_completion import get_completion_class

    from devops_agent.cli.root import root

    del call
    kind = get_completion_class(shell)
    if kind is not None:
        click.echo(kind(root, {}, "devops-agent", "_DEVOPS_AGENT_COMPLETE").source())
