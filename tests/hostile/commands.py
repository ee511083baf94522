"""Commands that must be refused."""

from tests.running import artgan


def refused(*words: object, code: int, longest: int) -> str:
    """Run a command that must fail with one sentence and one hint, shorter than `longest`; returns the sentence."""
    result = artgan(*words)
    assert isinstance(result.exception, SystemExit), result.exception
    assert (result.exit_code, result.stdout) == (code, ""), result.stderr
    lines = result.stderr.splitlines()
    assert len(lines) == 2, result.stderr
    assert all(line.isprintable() and len(line) < longest for line in lines), result.stderr
    sentence: str = lines[0]
    return sentence
