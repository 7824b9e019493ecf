"""One side beside its own past: today's loop and another commit's, or a trace of what it was."""
