"""How a step of sprout runs: its exit codes, lock, progress, processes, and whole outputs."""
