"""Programs that turn archives and spreadsheets into TFRecords, and that make synthetic studies."""

from raspine import quiet

quiet.hush_tensorflow()
