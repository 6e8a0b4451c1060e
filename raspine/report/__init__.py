"""The report of a run: one HTML file with its charts, pictures and checks."""
