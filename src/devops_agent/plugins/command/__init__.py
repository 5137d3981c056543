"""Commands that the configuration allows, as actions."""
