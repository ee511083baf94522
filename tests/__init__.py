"""The checks of artgan: `python -m tests` runs them all. A package, since torch-fidelity installs one of this name."""
