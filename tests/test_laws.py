"""Every law on every pair."""

from harness.laws import *  # noqa: F403
