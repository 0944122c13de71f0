"""Slips for learners and lists for staff, read back by another library than the one that sets them."""

import io

import pandas as pd
import pypdf
import pytest

from schemas.texts.faults import ConfigurationFault
from tasks.io.data_root.reference import privacy_notice
from tasks.io.school.slips_pdf import write_pdf

LEARNERS = pd.DataFrame(
    [
        ("M660402510002", "9276308686", "Zola", "#strong[x] $y$"),
        ("M660402510001", "1000102504", "Llŷr-Ŵan", "Siân"),
    ],
    columns=["upn", "uln", "surname", "forename"],
    dtype="str",
)


def made(kind="slips", learners=LEARNERS, notice=None):
    cycle = {"cy": "Ionawr 2012", "en": "January 2012"}
    return write_pdf(kind, learners, school="Ysgol A (6604025)", cycle=cycle, notice=notice or privacy_notice())


def words(pdf):
    return " ".join(" ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages).split())


@pytest.mark.parametrize("kind", ["slips", "list"])
def test_each_learner_stands_there_by_name_as_text_with_the_uln(kind):
    told = words(made(kind))
    assert all(word in told for word in ("Llŷr-Ŵan", "Siân", "#strong[x] $y$", "1000102504", "9276308686"))
    assert told.index("1000102504") < told.index("9276308686")  # by surname
    assert "Ionawr 2012 / January 2012" in told and "Yn cynnwys gwybodaeth bersonol" in told


def test_a_slip_has_the_notice_in_both_languages_and_says_that_it_is_not_official(tmp_path):
    told = words(made())
    assert "hysbysiad preifatrwydd" in told and "privacy notice" in told
    assert "crynodeb, nid y geiriad swyddogol" in told and "a summary, not the official wording" in told
    own = 'official = true\n[text]\ncy = "Geiriad"\nen = "Wording"\n'
    (tmp_path / "privacy_notice.toml").write_text(own, encoding="utf-8")
    told = words(made(notice=privacy_notice(tmp_path)))
    assert "Geiriad" in told and "Wording" in told and "not the official" not in told


@pytest.mark.parametrize("kind", ["slips", "list"])
def test_a_screen_reader_can_read_it(kind):
    pdf = made(kind)
    read = pypdf.PdfReader(io.BytesIO(pdf))
    root = read.trailer["/Root"]
    assert root["/Lang"].startswith("cy") and root["/MarkInfo"]["/Marked"] and "/StructTreeRoot" in root
    assert "Ysgol A (6604025)" in read.metadata.title and b"pdfuaid" in pdf


def test_the_same_content_gives_the_same_bytes_in_any_order():
    assert made() == made(learners=LEARNERS.iloc[::-1])


def test_a_name_in_letters_that_the_fonts_lack_does_not_stop_a_school():
    told = words(made(learners=LEARNERS.assign(surname=["李", "Llŷr"])))
    assert "1000102504" in told and "9276308686" in told


def test_a_notice_that_cannot_be_used_tells_every_fault(tmp_path):
    (tmp_path / "privacy_notice.toml").write_text('colour = 1\n[text]\ncy = " "\nfr = "x"\n', encoding="utf-8")
    with pytest.raises(ConfigurationFault) as caught:
        privacy_notice(tmp_path)
    told = " ".join(caught.value.faults)
    assert all(key in told for key in ("colour", "text.fr", "text.cy", "text.en", "official"))
    (tmp_path / "privacy_notice.toml").write_text("[", encoding="utf-8")
    with pytest.raises(ConfigurationFault):
        privacy_notice(tmp_path)
