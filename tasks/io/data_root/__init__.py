"""The data root on disk: its folders, the DEWi inbox, reference files, quarantine, locks, reports as CSV."""
