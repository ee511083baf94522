"""A trained model explained to those who use it: what its parts do, what it looks at, and what it learnt when."""
