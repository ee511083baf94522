"""Everything artgan raises on purpose: one sentence that names the cause, one hint that mends it.

    ArtganError             1  never raised bare
    ├── UsageError          2  an argument that makes no sense (a seed list, an output that exists)
    ├── DatasetError        3  the folder, zip or label table of pictures
    ├── SettingError        4  a preset or a setting
    ├── StorageError        5  a run, checkpoint or output cannot be read or written
    │   └── CheckpointError 5  a checkpoint is missing, damaged or does not fit
    ├── DeviceError         6  the device is not there or its memory is full
    │   └── ProcessLost     6  one of several processes that do one job is gone
    ├── WeightsError        7  downloaded weights are missing, damaged or cannot be fetched
    └── Interrupted       130  stopped by the user; what was made is saved

The number is the exit code of the command line. Exit code 1 is kept for bugs.
"""


class ArtganError(Exception):
    """A failure that the user can mend.

    Args:
        message: one sentence that names the file, flag or setting.
        hint: one sentence that says what to do about it.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.message, self.hint)


class UsageError(ArtganError):
    """An argument makes no sense."""

    exit_code = 2


class DatasetError(ArtganError):
    """The pictures, or their labels or captions, cannot be used."""

    exit_code = 3


class SettingError(ArtganError):
    """A preset or a setting is wrong."""

    exit_code = 4


class StorageError(ArtganError):
    """Something on disk cannot be read or written."""

    exit_code = 5


class CheckpointError(StorageError):
    """A checkpoint is missing, damaged or does not fit."""


class DeviceError(ArtganError):
    """The device is not there, or its memory is full."""

    exit_code = 6


class ProcessLost(DeviceError):
    """One of several processes that do one job is gone, or cannot be reached."""


class WeightsError(ArtganError):
    """Downloaded weights are missing, damaged or cannot be fetched."""

    exit_code = 7


class Interrupted(ArtganError):
    """The user stopped the work; what was made so far is saved."""

    exit_code = 130
