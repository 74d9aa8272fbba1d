"""The data: sources, formats, preparation, the store, and what training reads of it."""
