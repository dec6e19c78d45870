"""A day of an annotator in a real window, driven by mouse and keys."""
