"""Folders on other machines: SFTP, object stores, shared folders."""
