"""Why a job does not go on: whose fault it is decides what happens next. Messages are one line and identify nobody."""


class RefusedError(Exception):
    """The images cannot be handled, and trying again would change nothing."""


class FailedError(Exception):
    """This attempt failed; another may succeed."""


class CrashedError(FailedError):
    """The process that reads images ended or was killed over this job: the images may do it again."""


class OutageError(Exception):
    """An archive or a model cannot be reached at all, which is no job's fault."""
