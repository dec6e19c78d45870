"""How good the shipped brain model is: real scans, changed scans, and SAMSEG."""
