"""sprout: few labels in, a trained, tracked, reproducible classifier out."""

import os

# Read when torch is loaded. Threads that wait by spinning cost nothing on an idle machine, and on a busy one twice the
# CPU time of those that sleep.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"
