"""The HTTP edge: JSON into commands, results into JSON."""
