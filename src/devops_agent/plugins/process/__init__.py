"""Local processes: started, found and acted on by process id and start time, never by name alone."""
