"""One module per queue: what a worker process does with its jobs; heavy imports live here and die with the process."""
