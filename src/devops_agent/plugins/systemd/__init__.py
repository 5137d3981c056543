"""Systemd units, through systemctl and journalctl."""
