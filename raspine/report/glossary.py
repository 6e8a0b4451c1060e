"""Words and abbreviations of the report."""

from raspine.report import blocks

TERMS = (
    ("ADI", "Atlantodental interval: from the back of the anterior arch of the atlas to the front of the dens."),
    (
        "Agreement, limits of",
        "Bland and Altman: 95 % of differences between two measurements are expected between them.",
    ),
    (
        "AUC",
        "Area under the ROC curve: the chance that a case with the outcome gets a higher score than one without; 0.5 "
        "is guessing.",
    ),
    ("Brier score", "Mean squared distance between risk and outcome; 0 is perfect."),
    ("Calibration", "Whether risks mean what they say: of patients with risk 0.3, three in ten have the outcome."),
    ("Confidence interval (95 %)", "A range that would hold the true value in 95 of 100 repetitions of the study."),
    ("Decision curve", "Net benefit of acting on the model, beside treating all and treating none."),
    ("AUPRC of a map", "Area under the precision-recall curve of a map's pixels against the known sign."),
    ("Grad-CAM", "A map of where an image moved the network's answer, from its gradients."),
    (
        "ICC(A,1)",
        "Intraclass correlation for absolute agreement of single measurements; ICC(C,1) ignores a constant offset.",
    ),
    ("MRE", "Mean radial error: how far a found landmark lies from the labelled one, on average."),
    ("PPV, NPV", "Share of positive (negative) calls that are right; both depend on the prevalence."),
    ("SAC", "Space available for the cord: from the back of the dens to the front of the posterior arch."),
    ("SDR", "Success detection rate: share of landmarks found within so many millimetres."),
    ("Sensitivity, specificity", "Share of truly positive (negative) cases that are called so."),
    ("Spacing", "Millimetres a pixel. Its source decides how far a distance in mm can be relied on."),
    ("TOST", "Two one-sided tests: whether two methods differ by less than a margin that was named beforehand."),
)


def section() -> blocks.Section:
    """Returns the glossary."""
    return blocks.Section("glossary", "Glossary", [blocks.Terms(TERMS)], "Glossary")
