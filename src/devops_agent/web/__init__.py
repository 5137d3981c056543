"""The process that listens: alerts come in, people look and answer. It holds no credential of any target."""
