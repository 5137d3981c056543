"""How a role says that it wants to be started again: what it is built from has changed."""

START_ANEW = 75
"""Exit status that asks for another start at once (EX_TEMPFAIL)."""
