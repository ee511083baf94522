"""The command line: parses, calls the library, draws its events. Only here are typer, rich and tqdm known."""
