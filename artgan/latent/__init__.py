"""Moving through what a trained generator knows."""
