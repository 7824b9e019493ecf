"""What separates two sides, measured, and how much of it rounding explains."""
