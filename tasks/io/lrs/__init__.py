"""The LRS: batch files, result files and the web service. Layouts are data in `schemas/lrs`."""
