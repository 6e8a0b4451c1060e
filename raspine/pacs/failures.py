"""Why a job does not go on: whose fault it is decides what happens next. Messages are one line and identify nobody."""

import errno

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
"""What the operating system says of a disk that takes nothing, which is no job's fault."""


class RefusedError(Exception):
    """The images cannot be handled, and trying again would change nothing."""


class FailedError(Exception):
    """This attempt failed; another may succeed."""


class CrashedError(FailedError):
    """The process that reads images ended or was killed over this job: the images may do it again."""


class OutageError(Exception):
    """An archive or a model cannot be reached at all, which is no job's fault."""


class UnreadyError(Exception):
    """The models are not there, or not those that they were: the job is to be asked again, and has lost nothing."""


class RoomError(Exception):
    """The state folder's disk takes nothing, which is no job's fault."""
