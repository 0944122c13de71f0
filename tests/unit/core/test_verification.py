"""What an answer to a verification says of those that were asked about."""

import pandas as pd

from schemas.codes.service_codes import Connection
from tasks.core.verification import answered

COLUMNS = ["upn", "uln", "code", "flags"]
ANN, BRYN, CARYS = ("M660402510001", "1000102504"), ("A660402510002", "9999999994"), ("B660402510003", "1000102504")


def table(*rows):
    return pd.DataFrame([[*row, None, None][:4] for row in rows], columns=COLUMNS).astype("str")


def codes(asked, *said):
    rows = answered(asked.assign(job_ref="7"), table(*said))
    assert list(rows.columns) == [*COLUMNS, "job_ref"] and rows["upn"].tolist() == asked["upn"].tolist()
    return rows["code"].tolist()


def test_each_gets_its_own_and_whom_it_leaves_out_has_not_been_answered():
    asked = table(ANN, BRYN)
    out = Connection.LEFT_OUT
    assert codes(asked, (*BRYN, "WSVRC005", "VRF7"), (*ANN, "WSVRC001", None)) == ["WSVRC001", "WSVRC005"]
    assert codes(asked, (*BRYN, "WSVRC005", None)) == [out, "WSVRC005"]
    assert codes(asked) == [out, out]
    # Without a code it says nothing; of another ULN than was asked about it says nothing either.
    assert codes(asked, (*ANN, None, None), (BRYN[0], ANN[1], "WSVRC001", None)) == [out, out]


def test_said_twice_the_last_counts():
    assert codes(table(ANN), (*ANN, "WSVRC001", None), (*ANN, "WSVRC003", "VRF1")) == ["WSVRC003"]


def test_where_no_upn_comes_back_the_uln_names_the_learner_unless_several_were_asked_about_by_it():
    asked = table(ANN, BRYN)
    assert codes(asked, (None, ANN[1], "WSVRC001", None), (None, BRYN[1], "WSVRC006", None)) == ["WSVRC001", "WSVRC006"]
    shared = table(ANN, BRYN, CARYS)
    assert codes(shared, (None, ANN[1], "WSVRC001", None), (None, BRYN[1], "WSVRC006", None)) == [
        Connection.LEFT_OUT,
        "WSVRC006",
        Connection.LEFT_OUT,
    ]
