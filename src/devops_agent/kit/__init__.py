"""What plugin authors build on: HTTP, processes, settings, and fakes with the contracts they keep."""
