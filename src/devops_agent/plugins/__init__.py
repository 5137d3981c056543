"""Integrations: one folder each; a plugin imports kit, ports and model, and never another plugin."""
