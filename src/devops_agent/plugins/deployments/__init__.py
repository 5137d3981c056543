"""Notes of deployments: a file to which whoever deploys adds a line."""
