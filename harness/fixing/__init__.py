"""From the cause of a difference to the line of the port to change, run and proved."""
