"""What operators keep in the data root's `reference/`: a file that cannot be used is a fault, a row is its school's."""

import pandas as pd
import pytest

from schemas.texts.faults import ConfigurationFault
from tasks.io.data_root.reference import REGISTRATION_COLUMNS, authorities, opt_outs, registration, schools

HEAD = ",".join(REGISTRATION_COLUMNS)


def written(folder, text, name="registration.csv", encoding="utf-8"):
    (folder / name).write_text(text, encoding=encoding)
    return folder


def test_the_shipped_register_is_wales():
    register, las = schools(), authorities()
    assert len(las) == 22 and set(register["la_code"]) == set(las["la_code"])
    # Counted in the Welsh Government's list of 9 April 2018: 195 secondary, 13 middle, 41 special.
    assert register["sector_en"].value_counts().to_dict() == {"Secondary": 195, "Special": 41, "Middle": 13}
    assert (register["school_number"].str[:3] == register["la_code"]).all()
    assert set(las.loc[las["la_code"].isin(["660", "663"]), "la_cy"]) == {"Ynys Môn", "Sir Ddinbych"}


def test_a_list_of_one_s_own_takes_its_place(tmp_path):
    own = (
        "school_number,school_name,la_code,la_en,la_cy,sector_en,sector_cy\n6604999,Newydd,660,a,b,Secondary,Uwchradd\n"
    )
    assert list(schools(written(tmp_path, own, "schools.csv"))["school_number"]) == ["6604999"]


def test_a_school_twice_in_the_register_is_a_fault_of_the_file(tmp_path):
    row = "6604999,Newydd,660,a,b,Secondary,Uwchradd\n"
    text = "school_number,school_name,la_code,la_en,la_cy,sector_en,sector_cy\n" + row + row
    with pytest.raises(ConfigurationFault, match="6604999 stands twice"):
        schools(written(tmp_path, text, "schools.csv"))


def test_nothing_there_is_nobody_registered(tmp_path):
    assert registration(tmp_path).empty and opt_outs(tmp_path).empty
    assert list(registration(tmp_path).columns) == [*REGISTRATION_COLUMNS, "wrong"]
    assert registration(written(tmp_path, f"{HEAD}\n")).empty


def test_a_spreadsheet_s_byte_order_mark_and_empty_cells(tmp_path):
    row = "6604025,10000001,Enw,LL77 7NG,Enw,LL77 7NG,2011-11-01,,Y"
    rows = registration(written(tmp_path, f"{HEAD}\n{row}\n", encoding="utf-8-sig"))
    assert rows["school_number"].to_list() == ["6604025"]
    assert rows["privacy_notice_on"].isna().all() and rows["takes_part"].to_list() == ["Y"]


def test_one_school_s_mistakes_are_that_school_s_alone(tmp_path):
    lines = [
        "6604025,1,a,b,c,d,01/09/2011,2011-99-99,Y",
        "6604026,2,a,b,c,d,2011-09-01,,maybe",
        "6604027,3,a,b,c,d,2011-09-01,2011-09-05,Y",
        "6604027,4,a,b,c,d,2011-09-01,2011-09-05,N",
        "6604028,5,a,b,c,d,2011-09-01,2011-09-05,Y",
    ]
    rows = registration(written(tmp_path, "\n".join([HEAD, *lines]))).set_index("school_number")
    assert list(rows.index) == ["6604025", "6604026", "6604027", "6604028"]
    told = rows["wrong"].fillna("").to_list()
    assert told == ["lrb_registered_on;privacy_notice_on", "takes_part", "school_number", ""]
    assert rows.loc["6604025", ["lrb_registered_on", "privacy_notice_on"]].isna().all()
    assert pd.isna(rows.loc["6604026", "takes_part"])
    assert rows.loc["6604028", ["lrb_registered_on", "takes_part"]].to_list() == ["2011-09-01", "Y"]


def test_small_letters_and_blanks_are_no_mistake(tmp_path):
    lines = [
        " 6604025 , 10000001 ,a,b,c,d, 2011-09-01 ,,y",
        "6604026,2,a,b,c,d,,,n ",
        ",,,,,,,,",
        "6604027,3,a,b,c,d,,,  ",
    ]
    rows = registration(written(tmp_path, "\n".join([HEAD, *lines])))
    assert rows["wrong"].isna().all()
    assert rows["school_number"].to_list() == ["6604025", "6604026", "6604027"]
    assert rows["takes_part"].to_list()[:2] == ["Y", "N"] and pd.isna(rows["takes_part"].iloc[2])
    assert rows.loc[0, ["ukprn", "lrb_registered_on"]].to_list() == ["10000001", "2011-09-01"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("school_number,ukprn\n6604025,1\n", "takes_part"),
        ("", "not a UTF-8 CSV"),
        (f'{HEAD}\n"6604025,1\n', "not a UTF-8 CSV"),
    ],
    ids=["column-missing", "empty", "quotation-open"],
)
def test_a_file_that_cannot_be_used(tmp_path, text, told):
    with pytest.raises(ConfigurationFault, match=told):
        registration(written(tmp_path, text))


def test_another_encoding(tmp_path):
    with pytest.raises(ConfigurationFault, match="nid yw'r ffeil yn CSV UTF-8"):
        registration(written(tmp_path, f"{HEAD}\n6604025,1,Ysgol Tŷ Gŵyn,,,,,,\n", encoding="utf-16"))
