"""The public names of artgan, locked."""

import inspect
import subprocess
import sys

import artgan


def test_public_names() -> None:
    assert sorted(artgan.__all__) == [
        "ArtganError",
        "BallotResult",
        "BreedResult",
        "CurationReport",
        "Engine",
        "ExploreResult",
        "ExportResult",
        "Generator",
        "InterpretResult",
        "LoadedGenerator",
        "MixResult",
        "PackResult",
        "ProgressResult",
        "ProjectResult",
        "SampleResult",
        "ScoreResult",
        "Settings",
        "StyleTrainResult",
        "StylizeResult",
        "TallyResult",
        "TrainResult",
        "WalkResult",
        "__version__",
        "again",
        "breed",
        "curate",
        "diagnose",
        "diagnose_team",
        "explore",
        "export",
        "export_textbook",
        "forget_direction",
        "get_weights",
        "interpret",
        "judge",
        "list_directions",
        "list_presets",
        "list_runs",
        "list_weights",
        "load",
        "mix",
        "name_direction",
        "pack",
        "paint",
        "paint_collection",
        "progress",
        "project",
        "read_recipe",
        "resume",
        "sample",
        "score",
        "style_train",
        "stylize",
        "tally",
        "train",
        "walk",
    ]
    assert dir(artgan) == sorted(artgan.__all__)


def test_names_stay_what_they_are_after_their_rooms_are_imported() -> None:
    """A lazy name that equals a submodule's name would turn into the module on second access."""
    check = (
        "import artgan, inspect\n"
        "for _ in range(2):\n"
        "    for name in artgan.__all__:\n"
        "        assert not inspect.ismodule(getattr(artgan, name)), name\n"
    )
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_every_public_name_is_documented() -> None:
    for name in artgan.__all__:
        if name != "__version__":
            assert inspect.getdoc(getattr(artgan, name)), name


def test_unknown_names_are_attribute_errors() -> None:
    assert not hasattr(artgan, "Trainer")
