"""Any other sender: a small JSON form that a shell script or another monitoring system can post."""
