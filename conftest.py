"""pytest finds twinloop's plugin by its entry point; nothing else is needed here."""
