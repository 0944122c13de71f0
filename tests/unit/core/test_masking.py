"""What looks like an identifier is seen; what the service itself says is not taken for one."""

import pytest

from tasks.core.masking import looks_personal, masked


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("UPN M660402510001.", "UPN [UPN]."),
        ("b'm66040251000a'", "b'[UPN]'"),
        ("uln=1234567890;", "uln=[ULN];"),
        ("born 1996-11-05, 05/11/1996 or 5.11.1996", "born [date], [date] or [date]"),
        ("1996-11-05T00:00:00", "[date]"),
        ("at LL77 7NG, ll777ng", "at [postcode], [postcode]"),
        ("('M660402510001', 'CF10 3NQ')", "('[UPN]', '[postcode]')"),
        ("Zoë\tLL77\u00a07NG", "Zoë\t[postcode]"),
    ],
)
def test_identifiers_are_masked(text, left):
    assert masked(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "receive: 660: files 3, accepted 2; 661: files 12345678",
        "LRB_10000012_190220121234.CSV",
        "reports/2012-01/faults/validate-660-0a1b2c3d4e5f.txt",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "Beginning flow run 'census 2012-01' 8a7b6c5d-1e2f-4a3b-9c8d-7e6f5a4b3c2d",
        "school 6604025",
    ],
)
def test_what_the_service_says_stays(text):
    assert masked(text) == text and not looks_personal(text)


def test_a_date_alone_is_no_one_s():
    assert not looks_personal("660/PLASC_2012-01-20.xml")
    assert masked("660/PLASC_2012-01-20.xml", dates=False) == "660/PLASC_2012-01-20.xml"
