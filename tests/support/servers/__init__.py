"""Servers of others on loopback, for tests: SFTP, Azure's storage, Prefect's own. A bucket is `tasks/rehearsal/s3_stand_in.py`."""
