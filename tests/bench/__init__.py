"""Measures the card beside its goals: ratios and counts of one run, never absolute times to be compared between machines."""
