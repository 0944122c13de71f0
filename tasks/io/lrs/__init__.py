"""The LRS: batch files, result files and the web service."""
