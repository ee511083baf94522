"""Every colour in the house, chosen by eye, school by school."""

import numpy as np

from artgan.data.painters.canvas import Colour

Palette = tuple[Colour, ...]

_DRIFTS = np.array([[1.0, 1.0, 1.0], [0.5, 0.1, -0.6]], np.float32)
"""Lightness, and warmth."""


def inks(codes: str) -> Palette:
    """Colours from hexadecimal codes set apart by spaces."""
    return tuple(
        np.array([int(code[i : i + 2], 16) for i in (0, 2, 4)], np.float32) / np.float32(255) for code in codes.split()
    )


def chosen(rng: np.random.Generator, palettes: tuple[Palette, ...], drift: float = 0.02) -> Palette:
    """One palette of several, each colour drifting a little, lighter or darker, warmer or cooler.

    Never towards green or magenta: that is how mixed paint turns muddy.
    """
    palette = palettes[rng.integers(len(palettes))]
    shifts = rng.normal(0.0, drift, (len(palette), 2)).astype(np.float32) @ _DRIFTS
    return tuple(np.clip(colour + shift, 0.0, 1.0) for colour, shift in zip(palette, shifts, strict=True))


# Ground, then the fields from top to bottom.
COLOR_FIELDS = (
    inks("e9a63a d8452a f4cf58 ec7b35"),
    inks("2b2f69 b5502f 3169c9 15193f"),
    inks("b52c33 503064 275f52 d8503f"),
    inks("d9738a f3c24f f4eadb b93a62"),
    inks("7d1a20 2b0f15 ad2c2a dd5a34"),
    inks("a8222a 174a40 ea7a2c 5a1020"),
    inks("e3d5b8 2f2d33 b5482f dba443"),
    inks("b7c3cd 233e6c 5f86ad ebe4d3"),
)

# Ground, bars, quiet tint, then red, blue, yellow.
NEOPLASTIC = (
    inks("f1ede1 16151a d9d6cc c9231c 1b3f91 f2c614"),
    inks("ece9df 1a1a1c c9ccce b81f22 21508f e8b51c"),
    inks("f4f0e6 121216 e2ddd0 dc3422 15317c f6d22f"),
    inks("e6dfcf 3b3a3d cfc7b4 c96a52 5f7fa3 ddb258"),
)

# Ground, dark, signal, then four companions.
SUPREMATIST = (
    inks("ece4d2 17161a c8281e e9b424 1e4c8f 2f6b4a 8e8a82"),
    inks("e8dfca 1d1b1d b8391f d99a2b 5b7894 8a4a32 c4b8a0"),
    inks("f0e9da 141a2e dc4a2a f0c34a 2f7fb0 141a2e d9b9a6"),
    inks("dcd6c8 201f22 c1272d e0ad3a 7f8c96 5f6468 b3aa9a"),
)

# Deep, middle and light of the sky; lamp, halo; far land, near land, accent.
NOCTURNES = (
    inks("142a63 2d62ae 8fb8d6 fbe17a f3c33f 1c3f5f 12263f 4f8a6d"),
    inks("1b2a57 3a5fae a9c4dd ffe9a3 eeb146 2a4a3f 14261f 7d9a3c"),
    inks("0e3550 1f7a8c 9fd0c4 fff0a8 f2b84b 14434a 0b2530 d98a3d"),
    inks("2b2358 5a4aa3 b7a4d8 ffe49a f0a35a 33305f 1a1838 5c7fb8"),
)

# Deep, middle and light of the sky; sun, halo; far land, ripe field, accent.
HARVESTS = (
    inks("4f9bb0 86c2c4 d8e6c8 fff3b0 f7c948 4e8a5b e0a32a 9c5a1c"),
    inks("e08a2c f2b84b f9dd8f fff6c9 fbd04a 7a5a2c c9821f 5b3a1c"),
    inks("3f7fb5 79b0d6 cfe3e8 fff0a0 f5b936 3d7a4a f0c23c b5701e"),
)

# Sky high, sky low, sun, foam, then the water from far to near.
WAVES = (
    inks("c9c3a6 f0e6cb d8482f f7f1e0 9db9bd 4f86a3 24558a 152f5e"),
    inks("8fb0b8 f3e8d0 e76f51 fbf5e6 86b8b1 3f8f98 1f6278 123a54"),
    inks("e9a977 f8e1b8 cf3b2c fdf3dd c6a3a0 8a6f93 524680 2a2656"),
    inks("2f4670 9fb4c4 f5e7b8 f2efe4 6f8fae 3f6494 22427a 101f48"),
    inks("a7c4b0 f1ead2 e2a02f f8f4e4 8fc0a2 46937f 1f6a66 0f4149"),
)

# Grout or strap, field, first star, second star, heart.
TILINGS = (
    inks("f3ead6 12707e 1d3f8f e3a62f f3ead6"),
    inks("f6efdf 1c4f9c 19a0a8 f6efdf d98b28"),
    inks("efe2c6 0f5a4b c8932c 8e2a2a efe2c6"),
    inks("e9d9b8 b5502f 1f6f78 2a2f4f e8b84a"),
    inks("1b2440 e6d5b0 2f7f86 b8452f e3a62f"),
    inks("f4ecdf 6fb3b8 234a86 d9694a f2c866"),
)

# Ten or so lights of the spectrum in a ring: neighbours sing, opposites clash.
ORPHIST = (
    inks("e5352b f08a24 f8d03c 7fb539 178a6b 1f6fb5 2b3f94 7a3f93 d94f82 f5eddc"),
    inks("d43a2f ee7a3a f5c34f f4ead4 9cc3a0 3f8f8f 285f96 1c2f63 5b2f6b a83258"),
    inks("f2b233 f07f2e dc4130 a32a4a 5c2c66 2c3a7d 2479b0 5fb8b0 cfe0b0 f8efd8"),
    inks("f6efe0 f3c846 e98b34 cf3f2e 1f1f2b 1d4e8f 3f8fc0 a8cfd0 3f8a5f e8a6a0"),
)

# Sky high, sky low, sun, mist, farthest ridge, nearest ridge.
MOUNTAINS = (
    inks("f2b8a0 fbe3cb e5533c fbe9da d8a2a2 3a2a4a"),
    inks("a9c3d3 eef0e6 fff6d8 f1f2ea a5bcc7 173042"),
    inks("e9e4d6 f5f1e6 c8321f f7f4ea c3c3bd 1f2226"),
    inks("3b3f73 e79a86 ffe2a6 eab4a2 8d6f98 191a38"),
    inks("9fc7b6 f0efd2 f6b73c eff2dc 8fb9a6 12352f"),
    inks("f0a54a fbdc92 fff5d6 fae0ac d99a5b 4a1f26"),
    inks("142344 42668f f3eed8 5f82a5 3d5f8a 070d1f"),
)
