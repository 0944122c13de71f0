"""A credential that lies in one of Prefect's blocks: a worker puts it into a run's environment, and the pool holds its name alone."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.engine
#: What a worker does before it starts a run, and what the run then reads.
WORKER = """
import asyncio, json, os, sys
from pathlib import Path
from prefect.blocks.system import Secret
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.workers.process import ProcessJobConfiguration, ProcessWorker
from schemas.settings.locations import locations_of

async def told():
    await Secret(value="of-nobody").save("uln-dewi", overwrite=True)
    template = ProcessWorker.get_default_base_job_template()
    template["variables"]["properties"]["env"]["default"] = json.loads(sys.argv[1])
    async with get_client() as client:
        pool = WorkPoolCreate(name="with-blocks", type="process", base_job_template=template)
        kept = await client.create_work_pool(pool, overwrite=True)
        configuration = await ProcessJobConfiguration.from_template_and_values(kept.base_job_template, {}, client=client)
    os.environ |= configuration.env
    way = locations_of(Path("nowhere")).dewi_inbox
    print(json.dumps([way.password.get_secret_value(), "of-nobody" in json.dumps(kept.base_job_template)]))

asyncio.run(told())
"""


def test_a_worker_fills_the_environment_from_a_block_and_the_pool_holds_its_name_alone(server):
    environment = {
        "ULN_WAY_DEWI_INBOX__URL": "sftp://uln@dewi.example/in",
        "ULN_WAY_DEWI_INBOX__PASSWORD": "{{ prefect.blocks.secret.uln-dewi }}",
    }
    command = [sys.executable, "-W", "ignore", "-c", WORKER, json.dumps(environment)]
    done = subprocess.run(command, env=server.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout.splitlines()[-1]) == ["of-nobody", False]
