"""What a pair declares and what a loop yields: scenarios, recipes, ports, records. Needs numpy alone."""
