"""Reading what was tracked: finding runs, and what they were made from."""
