"""Why a model predicts what it does: one explanation per file, each a pure function."""
