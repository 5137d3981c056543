"""What `agent.yaml` may say under `plugins.memory_keeper`."""

import msgspec


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The MCP server that history is mirrored to, such as npm's `mcp-memory-keeper`; started for each mirroring."""

    command: str = "mcp-memory-keeper"
    """The program; it speaks MCP over its standard input and output."""
    args: tuple[str, ...] = ()
    """Its arguments."""
    env: dict[str, str] = {}
    """Its environment beside PATH, HOME and the like; without `DATA_DIR` it keeps its data in `state_dir`."""
    channel: str = "devops-agent"
    """The channel that the memories go to."""
    timeout: float = 30.0
    """Seconds that one mirroring may take."""
