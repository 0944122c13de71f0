"""The service as it runs in production: PostgreSQL, Prefect's server, workers and a browser, each a real process.

Belongs here: what only all of them together can show, such as a worker that is killed in mid-run, two of them on one data
root, and what people see in Prefect's pages. Does not belong here: what a flow does (`tests/unit/flows`) and what a stop at
every single point leaves behind (`tests/crash`). Slow: `make engine` runs it, and CI; `make test` leaves it out.

`processes` starts and ends them, `api` asks the server what Prefect's pages ask it, `hold` stops a run at a moment that
can be named, `names` is the one place for what deployments, artifacts and forms are called. To add a test: a data root of
its own, a run of a deployment (`Api.started`), and `tests.crash.acts` for what must stand there at the end. Nothing is
skipped: what is not installed fails with a sentence.
"""
