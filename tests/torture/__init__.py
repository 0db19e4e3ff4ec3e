"""Long, seeded runs that try to break the codec; ``python -m torture`` runs them all (see Makefile)."""
