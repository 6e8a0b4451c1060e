"""What an archive holds, by its headers: studies of series of image planes."""

import dataclasses
import pathlib
from collections.abc import Mapping

from raspine.dicom.subject import Subject


@dataclasses.dataclass(frozen=True)
class Frame:
    """One image plane: a classic instance, or one frame of a multi-frame object.

    Attributes:
      path: the file.
      number: index of the frame in its file; 0 for a classic instance.
      instance_uid: SOP Instance UID (0008,0018).
      rows: pixels from top to bottom.
      columns: pixels from left to right.
      position: centre of the first pixel, LPS mm, Image Position (Patient); None when the header has none.
      orientation: direction of the rows, then of the columns, LPS, Image Orientation (Patient).
      spacing: (row, column) mm, Pixel Spacing.
      echo_time: ms; None when unknown or 0.
      acquisition: Acquisition Number (0020,0012), or a frame's (0020,9156).
      instance_number: Instance Number (0020,0013).
      image_type: Image Type (0008,0008), or a frame's Frame Type and Complex Image Component.
      temporal: Temporal Position Identifier or Index.
      stack_id: Stack ID (0020,9056), of multi-frame objects.
      b_value: diffusion weighting, s/mm2; None when unknown.
    """

    path: pathlib.Path
    number: int
    instance_uid: str = dataclasses.field(repr=False)
    rows: int
    columns: int
    position: tuple[float, float, float] | None = None
    orientation: tuple[float, ...] | None = None
    spacing: tuple[float, float] | None = None
    echo_time: float | None = None
    acquisition: int | None = None
    instance_number: int | None = None
    image_type: tuple[str, ...] = ()
    temporal: int | None = None
    stack_id: str = ""
    b_value: float | None = None


@dataclasses.dataclass(frozen=True)
class Series:
    """A series with the facts of its first instance; times in ms, None when unknown or 0.

    Attributes:
      uid: Series Instance UID (0020,000E).
      modality: MR.
      description: Series Description (0008,103E).
      protocol: Protocol Name (0018,1030).
      study_description: Study Description (0008,1030).
      body_part: Body Part Examined (0018,0015), upper case.
      number: Series Number (0020,0011).
      frame_of_reference: Frame of Reference UID; positions of different ones cannot be compared.
      echo_time: of the first frame; each frame has its own.
      repetition_time: of the first frame.
      inversion_time: of the first frame.
      scanning_sequence: SE, IR, GR, EP, RM; for Enhanced MR put into these words.
      sequence_variant: SK, MTC, SS, OSP, ...
      scan_options: FS, FC, SP, ...
      sequence_name: Sequence Name (0018,0024) or Pulse Sequence Name (0018,9005).
      contrast: Acquisition Contrast (0008,9209), e.g. T2, of Enhanced MR.
      slice_thickness: mm.
      field_strength: tesla.
      subject: age, sex and maker by the header, and whether it calls the images synthetic.
      frames: in the order of the files.
      damaged: how many files of this series were refused, so that a stack may lack slices.
    """

    uid: str
    modality: str = "MR"
    description: str = ""
    protocol: str = ""
    study_description: str = ""
    body_part: str = ""
    number: int | None = None
    frame_of_reference: str = dataclasses.field(default="", repr=False)
    echo_time: float | None = None
    repetition_time: float | None = None
    inversion_time: float | None = None
    scanning_sequence: tuple[str, ...] = ()
    sequence_variant: tuple[str, ...] = ()
    scan_options: tuple[str, ...] = ()
    sequence_name: str = ""
    contrast: str = ""
    slice_thickness: float | None = None
    field_strength: float | None = None
    subject: Subject = dataclasses.field(default=Subject(), repr=False)
    frames: tuple[Frame, ...] = dataclasses.field(default=(), repr=False)
    damaged: int = 0


@dataclasses.dataclass(frozen=True)
class Person:
    """What a header says about the patient, to compare and never to write out; empty where it says nothing.

    Attributes:
      patient_id: (0010,0020), after its issuer (0010,0021) and a backslash when there is one.
      name: (0010,0010), upper case.
      birth_date: (0010,0030).
      sex: (0010,0040), M or F.
    """

    patient_id: str = dataclasses.field(default="", repr=False)
    name: str = dataclasses.field(default="", repr=False)
    birth_date: str = dataclasses.field(default="", repr=False)
    sex: str = dataclasses.field(default="", repr=False)


@dataclasses.dataclass(frozen=True)
class Study:
    """A study.

    Attributes:
      uid: Study Instance UID (0020,000D).
      date: Study Date, YYYYMMDD; empty when unknown.
      people: every different patient that the headers of the study name; more than one is suspect.
      series: by series number.
    """

    uid: str = dataclasses.field(repr=False)
    date: str = dataclasses.field(default="", repr=False)
    people: tuple[Person, ...] = dataclasses.field(default=(), repr=False)
    series: tuple[Series, ...] = ()

    @property
    def patient_id(self) -> str:
        """The first patient's ID, empty when no header has one."""
        return next((person.patient_id for person in self.people if person.patient_id), "")


@dataclasses.dataclass(frozen=True)
class Index:
    """What was found in files and folders.

    Attributes:
      studies: by date.
      refused: why a file is in none of the studies, by file.
      files: how many files were looked at, hidden ones apart.
    """

    studies: tuple[Study, ...]
    refused: Mapping[pathlib.Path, str]
    files: int
