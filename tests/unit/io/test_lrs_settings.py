"""What is set of the LRS web service: defaults, the environment before the file, secrets nowhere else, all faults at once."""

import pytest

from schemas.texts.faults import ConfigurationFault
from tasks.io.lrs.settings import FILE_NAME, lrs_service


@pytest.fixture(autouse=True)
def _bare(monkeypatch):
    for key in ("PASSWORD", "KEY_PASSWORD", "ADDRESS", "ROUTE"):
        monkeypatch.delenv(f"ULN_LRS_{key}", raising=False)


def put(folder, text):
    (folder / FILE_NAME).write_text(text, encoding="utf-8")
    return folder


def test_without_a_file_batches_go_as_files_and_nothing_is_called(tmp_path):
    settings = lrs_service(tmp_path)
    assert not settings.by_service and not settings.can_call and not settings.verify_ulns


def test_the_environment_counts_before_the_file(tmp_path, monkeypatch):
    put(tmp_path, 'address = "https://one/x"\nanswer_seconds = 5\n')
    assert lrs_service(tmp_path).address == "https://one/x"
    monkeypatch.setenv("ULN_LRS_ADDRESS", "https://two/x")
    assert (lrs_service(tmp_path).address, lrs_service(tmp_path).answer_seconds) == ("https://two/x", 5)


def test_a_secret_is_in_the_environment_alone_and_is_shown_nowhere(tmp_path, monkeypatch):
    monkeypatch.setenv("ULN_LRS_PASSWORD", "open sesame")
    settings = lrs_service(tmp_path)
    assert settings.password.get_secret_value() == "open sesame"
    assert "sesame" not in repr(settings) + str(settings) + settings.model_dump_json()
    put(tmp_path, 'password = "open sesame"\nkey_password = "too"\n')
    with pytest.raises(ConfigurationFault) as caught:
        lrs_service(tmp_path)
    assert len(caught.value.faults) == 2 and "sesame" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ('route = "pigeon"\naddress = "http://plain"\ncalls_at_once = 0\nanswer_seconds = "x"\nother = 1\n', 5),
        ('route = "web-service"\n', 4),
        ('certificate = "/nowhere/a"\nkey = "/nowhere/b"\nauthority = "/nowhere/c"\n', 3),
        ("route = [", 1),
    ],
)
def test_all_faults_are_told_at_once_without_values(tmp_path, text, faults):
    with pytest.raises(ConfigurationFault) as caught:
        lrs_service(put(tmp_path, text))
    assert len(caught.value.faults) == faults and all(one.cy != one.en for one in caught.value.faults)
    assert "pigeon" not in str(caught.value) and "nowhere" not in str(caught.value) and "plain" not in str(caught.value)
