"""Prometheus: answers queries, and tells of every target how its users fare."""
