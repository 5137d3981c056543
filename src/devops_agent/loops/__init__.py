"""What the agent does all the time: each loop is a `tick`, none blocks another."""
