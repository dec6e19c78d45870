"""A round of improving the model in a real window, driven by mouse and keys."""
