"""The few errors: a class each because a caller acts differently; the message says what was found and what to do."""


class WorkbenchError(Exception):
    """Something a person can mend; its message says what was found and what to do."""


class SettingsError(WorkbenchError):
    """workbench.toml, the environment or an option is wrong."""


class DataError(WorkbenchError):
    """Training data or rows that cannot be used."""


class UnknownVersion(WorkbenchError):
    """No such version."""


class VersionTaken(WorkbenchError):
    """A version of this id exists, or is being made."""


class CorruptVersion(WorkbenchError):
    """Files of a version do not match its manifest, or it does not answer as it did when published."""


class Busy(WorkbenchError):
    """Another process holds the lock that this work needs."""


class DatabaseAway(WorkbenchError):
    """The shared database cannot be asked now; what is recorded meanwhile lies on this machine's disk, and waits."""
