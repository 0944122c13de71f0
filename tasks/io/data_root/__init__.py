"""The data root on disk: folders, inbox, reference files, locks."""
