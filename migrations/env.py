"""Alembic's entry: one history for the one database. Called by `cloudd db upgrade` and `make migration`."""

import asyncio
import importlib

from alembic import context
from sqlalchemy.ext.asyncio import create_async_engine

from cloudd.core.database import Base, async_url

MODULES = ("core.tables", "identity.models", "keymanager.models", "image.models", "image.metadefs_models", "network.models",
           "block.models", "compute.models")


def run(connection):
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()


async def main():
    engine = create_async_engine(async_url(context.config.attributes["url"]))
    async with engine.begin() as connection:
        await connection.run_sync(run)
    await engine.dispose()


if context.config.attributes.get("models"):                # only autogenerate compares with the models
    for module in MODULES:
        importlib.import_module(f"cloudd.{module}")
asyncio.run(main())
