"""A person's own data: what it is, whether it can be built, and how it becomes an experiment."""
