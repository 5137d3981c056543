"""Judgements: the engine's decisions, each kept with everything that it was made from."""

from datetime import datetime

from devops_agent.model.fact import Fact


class Judgement(Fact, kw_only=True):
    """A decision and its inputs, both as JSON, for they outlive the code that made them."""

    id: int = 0
    """Given by the store; they grow in the order in which decisions were made."""
    incident: str
    at: datetime
    step: str
    """What was decided: `diagnose`, `choose`, `decide`."""
    inputs_json: str
    """One JSON object: field → value."""
    result_json: str
    version: str
    """The version of the code that decided."""
