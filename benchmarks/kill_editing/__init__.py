"""Killing an editing session at random moments, and looking for what is lost."""
