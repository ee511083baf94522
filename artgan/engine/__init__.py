"""What every task shares: device, random streams, pictures, storage. Knows nothing of GANs, styles or scores."""
