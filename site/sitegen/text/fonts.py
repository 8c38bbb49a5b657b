"""The pages' fonts: the letters in each file, and the style sheet's rules for them.

Each font is split into files: one with the letters that nearly every page needs, and others that a browser fetches only
for pages that use their letters. No letter is in two files, and no file is listed with a letter that it lacks, which
would be fetched in vain. ``site/theme/assets/fonts/README.md`` says how the files are made.
"""

from __future__ import annotations

from types import MappingProxyType

LETTERS = MappingProxyType(
    {
    "core":
        "U+0020-007E,U+00A0,U+00B0-00B1,U+00B5-00B7,U+00D7,U+00E9,U+00F7,U+2013-2014,U+2018-2019,"
        "U+201C-201D,U+2022,U+2026,U+2190-2193,U+2212,U+2248,U+2264-2265",
    "signs":
        "U+00B2-00B3,U+00BD,U+03A3,U+03B2,U+03B4-03B8,U+03BB-03BC,U+03C0-03C1,U+03C4,U+2074-2075,"
        "U+207B,U+2080-2082,U+2202,U+221A,U+221E",
    "rest":
        "U+00A1-00AF,U+00B4,U+00B8-00BC,U+00BE-00D6,U+00D8-00E8,U+00EA-00F6,U+00F8-00FF,U+0131,"
        "U+0152-0153,U+0391-03A1,U+03A4-03A9,U+03B1,U+03B3,U+03B9-03BA,U+03BD-03BF,U+03C2-03C3,"
        "U+03C5-03C9,U+2012,U+2015,U+201A,U+201E,U+2020-2021,U+2030,U+2039-203A,U+2070,U+2076-207A,"
        "U+207C-207E,U+2083-208E,U+20AC,U+2206,U+220F,U+2211,U+222B,U+2260",
    "box":
        "U+2500,U+2502,U+250C,U+2510,U+2514,U+2518,U+251C,U+2524,U+252C,U+2534,U+253C,U+25A0,"
        "U+25BA,U+25BC",
    "upright": "U+0030-0039,U+0041-005A,U+0061-007A",
    "formula":
        "U+0020,U+0028-003E,U+0041-005B,U+005D,U+0061-007A,U+007C,U+00A0,U+00B1,U+00B7,U+00D7,U+02C6,"
        "U+0394,U+03A3,U+03A6,U+03B1-03C9,U+2016,U+2026,U+2032,U+210E,U+2113,U+2190,U+2192,U+21D2,"
        "U+2202,U+2208,U+2211-2212,U+221A,U+221E,U+2248,U+2264-2265,U+2299,U+22A4,U+22C5,U+23DF,"
        "U+1D434-1D454,U+1D456-1D467,U+1D6E5,U+1D6F7,U+1D6FC-1D715,U+1D7CF",
    "other":
        "U+0021-0027,U+003F-0040,U+005C,U+005E-0060,U+007B,U+007D-007E,U+00AC,U+00F7,U+0302-0304,"
        "U+0391-0393,U+0395-03A1,U+03A4-03A5,U+03A7-03A9,U+03D5,U+03F5,U+2033,U+211D,U+2191,U+2193,"
        "U+21A6,U+2200,U+2203,U+2207,U+220F,U+2213,U+2217,U+221D,U+2225,U+2227-222B,U+2260-2261,"
        "U+226A-226B,U+2297-2298,U+22EE-22F1,U+2308-230B,U+23DE,U+27E8-27E9,U+1D6A4,U+1D6E2-1D6E4,"
        "U+1D6E6-1D6F6,U+1D6F8-1D6FB,U+1D716-1D71B,U+1D7CE,U+1D7D0-1D7D7",
    }
)  # fmt: skip
_PARTS = (("", "core"), ("-signs", "signs"), ("-rest", "rest"))
# Family, weights, file, letters.
FACES = (
    *(("Fira Sans", "400", f"fira-sans-400{part}", letters) for part, letters in _PARTS),
    *(("Fira Sans", "600 700", f"fira-sans-600{part}", letters) for part, letters in _PARTS),
    *(("Fira Code", "400", f"fira-code-400{part}", letters) for part, letters in (*_PARTS, ("-box", "box"))),
    # Digits and upright names in formulas; a family of its own, as Fira Sans would bring its file of Greek letters.
    ("Formula Names", "400", "fira-sans-400", "upright"),
    ("Noto Sans Math", "400", "noto-sans-math", "formula"),
    ("Noto Sans Math", "400", "noto-sans-math-more", "other"),
)


def font_faces() -> str:
    """Return the ``@font-face`` rules, for a style sheet in a sibling of the folder of fonts."""
    return "".join(
        f'@font-face {{ font-family: "{family}"; font-weight: {weight}; font-display: swap; '
        f'src: url("../fonts/{file}.woff2") format("woff2"); unicode-range: {LETTERS[letters]}; }}\n'
        for family, weight, file, letters in FACES
    )
