"""Slack: notices with buttons, one message for each incident."""
