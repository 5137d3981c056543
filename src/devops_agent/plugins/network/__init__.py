"""The network between us and a target: TCP checks, and why something cannot be reached."""
