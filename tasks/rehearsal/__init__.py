"""Synthetic Wales and a stand-in for the LRS: for rehearsals and tests alone, imported by nothing else.

Every learner is invented; the schools are real. What is planted is written down beside the data, and tests hold the
outcome to it. To plant a new kind of fault: a line in `synthetic_wales.PLANTED` and its case in the tests.
"""
