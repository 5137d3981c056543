"""Facts and rules: frozen values and pure functions; no input, no output, no clock."""
