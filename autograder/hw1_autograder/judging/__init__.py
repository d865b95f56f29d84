"""Sees answers, never a submission's code: what is right, what went wrong, what is told."""
