"""The tools of correction: pure functions of labels and a scope, one idea a module."""
