"""Docker: containers found, watched, looked at and acted on, over the engine's socket."""
