"""A simulated annotator: segment, correct the worst slices, improve, next case."""
