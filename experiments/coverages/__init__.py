"""How often intervals hold the truth: simulated cohorts whose truth is known."""
