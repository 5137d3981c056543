"""Grafana's unified alerting: takes what its webhook contact point posts."""
