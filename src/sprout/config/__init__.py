"""Settings: their types, their composition by Hydra, and where each value came from."""
