"""Apprise: PagerDuty, Opsgenie, Discord, Teams, ntfy and a hundred services more, each by one URL."""
