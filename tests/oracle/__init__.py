"""A second decoder, written from docs/FORMAT.md alone."""
