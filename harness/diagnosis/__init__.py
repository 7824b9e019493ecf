"""Why two sides differ: where float32 leaked in, and what it reached."""
