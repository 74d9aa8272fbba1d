"""The comparison of tracked runs, in words and as one self-contained page in the style of the report."""
