"""What tests share: learners, stages run without the engine, the terminal, servers, faults. Nothing here is a test.

No test module imports another one (`tests/architecture/test_tests.py`): move what a second one needs here, or into a `conftest.py`.
"""
