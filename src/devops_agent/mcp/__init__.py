"""The MCP server: what the agent knows, for people's editors and assistants; a client of the agent's own HTTP API.

It holds no store and no rights of its own: every call goes to the API in its caller's name, and the API decides.
"""
