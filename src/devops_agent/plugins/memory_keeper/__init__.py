"""MCP Memory Keeper: a copy of history in a memory that assistants read."""
