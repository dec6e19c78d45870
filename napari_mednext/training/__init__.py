"""How models are made and improved."""
