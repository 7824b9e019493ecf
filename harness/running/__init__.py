"""From a pair on disk to its runs, one step at a time."""
