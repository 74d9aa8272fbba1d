"""Settings: their types, their composition by Hydra, and the origin of each value."""
