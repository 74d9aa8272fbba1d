"""Making a tracked run again: code, data and settings in a folder of their own, and the same result or not."""
