"""HTTP: checks of health endpoints, and allow-listed outgoing calls as actions."""
