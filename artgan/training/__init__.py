"""Training: losses, augmentation, the state of a run, and the loop."""
