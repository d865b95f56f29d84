"""Neural network parts.  Each is imported from its file, so that a slip in one stops no other."""
