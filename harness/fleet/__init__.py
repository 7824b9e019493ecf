"""Many pairs on many machines: problems go to a cluster that a team has, and their verdicts come back."""
