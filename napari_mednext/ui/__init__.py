"""The docks, readers and writers that napari shows.

Thin: a dock reads its controls, calls :mod:`napari_mednext.app` in a worker, and shows
what came back. Nothing here imports torch; the network runs in a process of its own.
"""
