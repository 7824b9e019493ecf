"""Runs on disk: recorded whole or thinned, and read back as runs that nobody can tell from live ones."""
