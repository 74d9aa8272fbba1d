"""The settings: their types, their composition, and where each value came from."""
