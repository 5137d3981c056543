"""Alertmanager: takes what it (or Prometheus itself) posts, and fetches what it left out."""
