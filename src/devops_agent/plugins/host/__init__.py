"""This machine: its readings, and room on its disks."""
