"""A cycle with all four folders in a bucket ends in the files and the lake of one in local folders."""

import shutil
from pathlib import Path

import pytest

from schemas.settings.locations import FOLDERS
from tasks.io.data_root.data_root import DataRoot
from tasks.io.remote.folders import deliver_new, fetch_new
from tasks.rehearsal.s3_stand_in import s3_server
from tests.support.two_authorities import equal, lrs, make, play

pytestmark = pytest.mark.long


class Bucket:
    """The other side's bucket, as the other side sees it."""

    def __init__(self, server):
        self.name, self.client = server.bucket("other-side"), server.client()

    def bring(self, folder: Path, way: str) -> None:
        """Let a folder's files lie there."""
        for file in sorted(p for p in folder.rglob("*") if p.is_file()):
            key = f"{way}/{file.relative_to(folder).as_posix()}"
            self.client.put_object(Bucket=self.name, Key=key, Body=file.read_bytes())

    def lying(self, way: str) -> dict[str, bytes]:
        """What lies there, by name."""
        found = self.client.list_objects_v2(Bucket=self.name, Prefix=f"{way}/").get("Contents", [])
        read = {one["Key"]: self.client.get_object(Bucket=self.name, Key=one["Key"]) for one in found}
        return {key.partition("/")[2]: one["Body"].read() for key, one in read.items()}


@pytest.fixture
def server(monkeypatch):
    with s3_server() as server:
        keys = {"ENDPOINT": server.endpoint, "ACCESS_KEY": server.access_key, "SECRET_KEY": server.secret_key}
        for way in FOLDERS:
            for key, value in {"URL": f"s3://other-side/{way}", **keys}.items():
                monkeypatch.setenv(f"ULN_WAY_{way.upper()}__{key}", value)
        yield server


def test_a_cycle_in_a_bucket_ends_as_one_in_folders(tmp_path, server, monkeypatch):
    far, near = tmp_path / "far", tmp_path / "near"
    make(far)
    shutil.copytree(far, tmp_path / "local")
    with monkeypatch.context() as here:
        for way in FOLDERS:
            here.delenv(f"ULN_WAY_{way.upper()}__URL")
            for key in ("ENDPOINT", "ACCESS_KEY", "SECRET_KEY"):
                here.delenv(f"ULN_WAY_{way.upper()}__{key}")
        local = play(tmp_path / "local")

    bucket, root = Bucket(server), DataRoot(near).create()
    shutil.copytree(far / "reference", root.reference, dirs_exist_ok=True)
    bucket.bring(far / "dewi" / "inbox", "dewi_inbox")

    def lrs_elsewhere(_root):
        for name, content in bucket.lying("lrs_outbox").items():
            (far / "lrs" / "outbox" / name).write_bytes(content)
        lrs(far)
        bucket.bring(far / "lrs" / "inbox", "lrs_inbox")
        for again in (False, True):
            assert bool(fetch_new(root, "lrs_inbox", lambda _: None)) != again

    assert fetch_new(root, "dewi_inbox", lambda _: None) == len(bucket.lying("dewi_inbox")) > 2
    files, tables = play(near, lrs_elsewhere)
    assert not [name for name in files if name.startswith("lrs/")]
    handed = {f"lrs/outbox/{name}": content for name, content in bucket.lying("lrs_outbox").items()}
    equal((files | handed, tables), local)
    assert deliver_new(root) and not deliver_new(root)
    brought = {f"dewi/outbox/{name}": content for name, content in bucket.lying("dewi_outbox").items()}
    assert brought == {name: content for name, content in files.items() if name.startswith("dewi/outbox/")}
