"""From the oracle's evidence to a verdict."""
