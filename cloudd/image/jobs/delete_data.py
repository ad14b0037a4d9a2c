"""Removes the data of an image whose record is gone."""

from cloudd.core.jobs import Job, Run, Step
from cloudd.drivers.store.base import Store
from cloudd.image.imports import staged_key
from cloudd.image.staging import Staging


async def remove_blob(run: Run) -> None:
    await run.parts.service(Staging).store.delete(staged_key(run.input["image"]))
    if run.input["blob"]:
        await run.driver(Store).delete(run.input["blob"])


DELETE_DATA = Job("image.delete_data", steps=[Step(remove_blob)])
