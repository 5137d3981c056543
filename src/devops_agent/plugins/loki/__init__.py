"""Loki: what targets wrote, kept elsewhere than on their own machine."""
