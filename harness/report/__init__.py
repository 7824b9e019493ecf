"""Verdicts for people and for programs: one small file for each format, and what they share."""
