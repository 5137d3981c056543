"""Durable execution: runs that survive a kill at any instant. Knows steps and leases, no word of operations."""
