"""The charts of a report: functions of plain arrays that return a Chart to embed."""

from raspine.report.charts.bland_altman import bland_altman
from raspine.report.charts.calibration import calibration, calibration_bins
from raspine.report.charts.chart import Chart, Table
from raspine.report.charts.confusion_matrix import confusion_matrix
from raspine.report.charts.decision_curve import decision_curve
from raspine.report.charts.distributions import age_histogram, category_bars
from raspine.report.charts.errors import cumulative_error, error_by_landmark
from raspine.report.charts.flow import FlowStep, cohort_flow
from raspine.report.charts.forest import ForestRow, forest, group_errors
from raspine.report.charts.learning import fold_dots, learning_curve
from raspine.report.charts.number import Number
from raspine.report.charts.risks import risks_by_outcome
from raspine.report.charts.roc_pr import Band, precision_recall, roc, roc_band, rocs
from raspine.report.charts.scatter import agreement_scatter
from raspine.report.charts.training import training_curves
from raspine.report.charts.trust import trust_strip

__all__ = [
    "Band",
    "Chart",
    "FlowStep",
    "ForestRow",
    "Number",
    "Table",
    "age_histogram",
    "agreement_scatter",
    "bland_altman",
    "calibration",
    "calibration_bins",
    "category_bars",
    "cohort_flow",
    "confusion_matrix",
    "cumulative_error",
    "decision_curve",
    "error_by_landmark",
    "fold_dots",
    "forest",
    "group_errors",
    "learning_curve",
    "precision_recall",
    "risks_by_outcome",
    "roc",
    "roc_band",
    "rocs",
    "training_curves",
    "trust_strip",
]
