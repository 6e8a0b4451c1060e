"""From what highdicom built to what may leave the house: patient, dates, and a last check."""

import contextlib
import datetime
import logging
import warnings
from collections.abc import Iterator, Sequence

from pydicom.dataset import Dataset

from raspine.dicom_results import equipment, patient, templates
from raspine.dicom_results.errors import ResultError

# highdicom names what it doubts, and what it doubts may be a name.
logging.getLogger("highdicom").setLevel(logging.ERROR)


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Turns whatever goes wrong on hostile headers into a ResultError, and keeps warnings that quote values silent."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ResultError:
        raise
    except Exception as error:  # its message may hold identifiers
        raise ResultError(f"the result cannot be written as DICOM: unexpected {type(error).__name__}.") from error


def finished(results: Sequence[Dataset], module: Dataset, when: datetime.datetime | None) -> list[Dataset]:
    """Returns the objects with patient and dates, each checked.

    Args:
      results: as highdicom built them, without patient.
      module: their patient and study modules, of `raspine.dicom_results.patient`.
      when: what every date says; None for now.

    Raises:
      ResultError: an object breaks a rule of `templates.check`.
    """
    moment = when or datetime.datetime.now()
    for result in results:
        patient.put(module, result)
        equipment.date(result, moment)
        if faults := templates.check(result):
            raise ResultError(f"the result breaks a rule of its template: {faults[0]}")
    return list(results)
