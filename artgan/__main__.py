"""`python -m artgan` is `artgan`."""

from artgan.cli.main import main

main()
