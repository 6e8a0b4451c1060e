"""What people write into the descriptions of series: the usual words in English, German, French and Japanese."""

import re
import unicodedata

_FLAGS = re.IGNORECASE


def plain(*texts: str) -> str:
    """Returns texts as one line in lower case, full-width letters made plain, underscores as spaces."""
    return unicodedata.normalize("NFKC", " | ".join(text for text in texts if text)).casefold().replace("_", " ")


def _words(*patterns: str) -> re.Pattern[str]:
    # Digits may follow at once (`stir2`), letters may not (`location` is no `loc`).
    return re.compile(r"(?<![a-z])(?:" + "|".join(patterns) + r")(?![a-z])", _FLAGS)


T2 = re.compile(r"(?:(?<![a-z])|(?<=sag))t2(?!\s?(?:\*|star|map|-?\s?mapping))", _FLAGS)
T1 = re.compile(r"(?:(?<![a-z])|(?<=sag))t1(?!\d)", _FLAGS)
PROTON_DENSITY = _words("pd", "pdw", "dp", r"proton\w*", "densité de protons?")
SPIN_ECHO = _words("tse", "fse", "frfse", "xl tse", "rare", "blade", "propeller", "space", "cube", "vista")

REFUSED: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "localizer",
        re.compile(
            r"locali[sz]|lokali[sz]|(?<![a-z])loc(?![a-z])|scout|survey|topogram|3.?plane|three.?plane|plan scan|"
            r"smartbrain|rep[eé]rage|[uü]bersicht|位置決め|位置ぎめ|スカウト|calib|asset.?cal|ref(?:erence)?.?scan|shim",
            _FLAGS,
        ),
    ),
    (
        "STIR or other inversion recovery",
        _words("stir", "tirm?", "flair", "irfse", "psir", "ir", "short tau", "inversion"),
    ),
    (
        "myelography",
        # Not myelopathy, myelomalacia, meningomyelocele or the German myelon: what the neck is scanned for.
        re.compile(
            r"m[yi][eé]lo(?:gr|g?(?![a-zà-ÿ])|haste|tse|fse|space|cube)|ミエロ(?!パ)|cisterno|zisterno|"
            r"(?<![a-z])(?:mr-?m|m2d|thick slab)(?![a-z])|脊髄腔造影",
            _FLAGS,
        ),
    ),
    ("maximum-intensity projection", _words("mip", "maxip", "projections?", "proj")),
    (
        "subtraction",
        _words("sub(?!.?(?:ax|occ|lux))", "subtr?", r"subtra\w+", r"subtrak\w+", "soustraction", "サブトラクション"),
    ),
    ("diffusion", _words("dwi", r"diff\w*", "dti", "adc", "tracew?", "ep2d", "拡散\\w*")),
    (
        "gradient echo",
        re.compile(
            r"t2\s?(?:\*|star)|(?<![a-z])(?:gre|medic|merge|cosmic|m?ffe|swi|swan|fisp|true\s?fisp|b-?tfe|ciss|fiesta|dess|flash|"
            r"spgr|vibe|lava|mp-?rage|gradient)(?![a-z])|グラディエント",
            _FLAGS,
        ),
    ),
    ("map of values", re.compile(r"t[12]\s?-?map", _FLAGS)),
    (
        "angiography or flow",
        _words("mra", "tof", "angio\\w*", "cine", "ciné", r"(?:csf|pc|quant\w*).?flow", "perf\\w*", "spectro\\w*"),
    ),
    ("Dixon fat or opposed phase", _words("fat only", "fat image", "opp", "opposed", "out.?of?.?phase", "opp-?phase")),
)
GE = _words("ge")
"""Gradient echo, or the maker of the scanner."""
SINGLE_SHOT = _words("haste", "ss.?t?fse", "ss.?tse", "single.?shot", "fase")
FAT_SUPPRESSED = re.compile(
    r"(?<![a-z])(?:fs|fatsat|fat.?sat\w*|spair|spir|chess|fat.?supp\w*|sat.?(?:de )?graisse|fettges\w*|fettsupp\w*|"
    r"water)(?![a-z])|t2w?fs|tse.?fs|脂肪抑制",
    _FLAGS,
)

REGIONS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "CSPINE",
        re.compile(
            r"(?<![a-z])(?:c[-. ]?t?[-. ]?spine|c[-. ]?sp|hws|neck|hals|cou|c1|c2|dens|odonto\w*|"
            r"atlant\w*|cranio.?cerv\w*|ccj)(?![a-z0-9])|"
            r"cervi[ck]|zervik|halswirbel|頸椎|頚椎|頸部|頚部",
            _FLAGS,
        ),
    ),
    (
        "TSPINE",
        re.compile(r"(?<![a-z])(?:t[hl]?[-. ]?spine|bws)(?![a-z])|thora[ck]|(?<![a-z])dorsal|brustwirbel|胸椎", _FLAGS),
    ),
    (
        "LSPINE",
        re.compile(
            r"(?<![a-z])(?:l[-. ]?s?[-. ]?spine|s[-. ]?spine|lws)(?![a-z])|lumb|lomb|lendenwirbel|sacr[ou]|"
            r"sakr|coccyx|腰椎|仙椎|仙骨",
            _FLAGS,
        ),
    ),
    (
        "HEAD",
        re.compile(
            r"(?<![a-z])(?:head|brain|skull|orbits?|pituitary|iac|hirn|kopf|sch[aä]del|cerveau|cr[aâ]ne|enc[eé]phale|"
            r"t[eê]te)(?![a-z])|頭部|頭|脳",
            _FLAGS,
        ),
    ),
    ("KNEE", re.compile(r"(?<![a-z])(?:knee|knie|genou)(?![a-z])|膝", _FLAGS)),
    ("SHOULDER", re.compile(r"shoulder|schulter|[eé]paule|肩", _FLAGS)),
    ("HIP", re.compile(r"(?<![a-z])(?:hips?|h[uü]fte|hanche)(?![a-z])|股関節", _FLAGS)),
    ("WRIST", re.compile(r"wrist|handgelenk|poignet|手関節", _FLAGS)),
    ("HAND", re.compile(r"(?<![a-z])(?:hand|finger|ha[nä]nde)(?![a-z])|手指", _FLAGS)),
    ("ELBOW", re.compile(r"elbow|ellenbogen|(?<![a-z])coude(?![a-z])|肘", _FLAGS)),
    ("ANKLE", re.compile(r"ankle|sprunggelenk|cheville|足関節", _FLAGS)),
    ("FOOT", re.compile(r"(?<![a-z])(?:foot|feet|fu(?:ß|ss)|pied)(?![a-z])|足部", _FLAGS)),
    ("PELVIS", re.compile(r"pelvi|becken|bassin|prostat|骨盤", _FLAGS)),
    ("ABDOMEN", re.compile(r"abdom|liver|leber|(?<![a-z])foie(?![a-z])|mrcp|腹部|肝", _FLAGS)),
    ("CHEST", re.compile(r"(?<![a-z])(?:chest|heart|cardiac|herz|coeur|breast|brust)(?![a-z])|心臓|乳", _FLAGS)),
    ("LEG", re.compile(r"(?<![a-z])(?:leg|thigh|calf|femur|tibia|bein|jambe|extremity)(?![a-z])|下肢", _FLAGS)),
    ("ARM", re.compile(r"(?<![a-z])(?:arm|humerus|forearm|bras)(?![a-z])|上肢", _FLAGS)),
)
NEUTRAL_BODY_PARTS = frozenset({"", "SPINE", "WHOLESPINE", "WHOLE SPINE", "SPINAL CORD", "SPINALCORD", "VERTEBRA"})
"""What Body Part Examined (0018,0015) says of any part of the spine."""


def region(*texts: str) -> str:
    """Returns the part of the body that texts name, CSPINE before any other; "" when they name none."""
    line = plain(*texts)
    return next((name for name, pattern in REGIONS if pattern.search(line)), "")
