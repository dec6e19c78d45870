"""Killing improvements of a model at random moments, and looking for what differs."""
