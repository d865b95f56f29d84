"""The texts that run in the submission's process, together with the submission."""
