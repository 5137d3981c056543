"""Practise: a made-up site that is broken on purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from devops_agent.cli.call import Call, command

if TYPE_CHECKING:
    from collections.abc import Sequence


@command("demo", "devops-agent demo", "devops-agent demo --once", data=False)
@click.option("--once", is_flag=True, help="End when everything was healed once; the exit code is 0 only then.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=8484, show_default=True, help="Of the page; 0: a free one."
)
def demo(call: Call, *, once: bool, port: int) -> None:
    """Break a small made-up site one way after another, and watch it heal.

    Needs no Docker and no other server: it starts two services and a worker of its own, tells the story line by line,
    and leaves the page open until Ctrl-C.
    """
    from devops_agent.drill.demo import run_demo

    del call
    raise click.exceptions.Exit(run_demo(once=once, port=port))


@command("drill", "devops-agent drill", "devops-agent drill --fault crash --fault hang --rounds 5 --json")
@click.option(
    "--fault", "faults", multiple=True, metavar="FAULT", help="Only this fault; may be given again.  [default: all]"
)
@click.option("--rounds", type=click.IntRange(1, 1_000), default=1, show_default=True, help="How often each fault.")
@click.option("--controls", type=click.IntRange(0, 100_000), help="Rounds without a fault.  [default: as many as with]")
def drill(call: Call, *, faults: Sequence[str], rounds: int, controls: int | None) -> None:
    """Measure how well faults are found and healed, and how often something is done without need.

    Runs faults against services of its own and as many rounds without any; prints times to detect, act and mitigate,
    the share healed, and false actions.
    """
    from devops_agent.drill.drills import run_drill

    raise click.exceptions.Exit(run_drill(faults=list(faults), rounds=rounds, controls=controls, as_json=call.as_json))
