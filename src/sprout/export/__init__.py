"""A trained model as one file for other programs, with its preprocessing inside."""
