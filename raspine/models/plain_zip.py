"""Zip archives of weights as their frameworks write them: nothing compressed, so nothing grows when it is read."""

import stat
import zipfile


class PlainZipError(ValueError):
    """An archive could be larger unpacked, or hides what it holds; the one-line message names no path."""


def check(members: list[zipfile.ZipInfo], size: int) -> None:
    """Raises PlainZipError unless every member is a plain one and all together fit in the file.

    Args:
      members: the archive's table of contents.
      size: of the archive's file, bytes.
    """
    names = [one.filename for one in members]
    if len(set(names)) < len(names):
        raise PlainZipError("its table of contents names a member twice.")
    for one in members:
        if one.compress_type != zipfile.ZIP_STORED or one.flag_bits & 1 or stat.S_ISLNK(one.external_attr >> 16):
            raise PlainZipError("a member is compressed, encrypted or a link: such archives store their members plain.")
    if sum(one.file_size for one in members) > size:
        raise PlainZipError("its members claim more bytes than the file has.")
