"""Statistics and text on values: no I/O, no clock. It may import heavy things, so the agent process never loads it."""
