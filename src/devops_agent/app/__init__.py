"""The composition root: builds, starts, drains and stops each role; the only place that knows every layer."""
