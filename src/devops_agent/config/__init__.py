"""`agent.yaml`, environment and secret files → frozen settings; the only reader of the environment."""


def environment() -> dict[str, str]:
    """Return the process's environment as a value, to be handed to whoever needs it."""
    import os

    return dict(os.environ)
