"""The migrations make exactly the tables of the models, on an empty database, and take them down again."""

import importlib
import sqlite3

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from cloudd.core import database
from cloudd.core.database import Base
from cloudd.daemon import MODULES


def test_the_migrations_make_what_the_models_say(tmp_path):
    for module in MODULES:
        importlib.import_module(module.__module__)
    url = f"sqlite:///{tmp_path}/x.db"
    database.upgrade(url)
    ours = tuple(f"{module.name}_" for module in MODULES) + ("core_",)
    engine = create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={
            "compare_type": True, "include_object": lambda item, name, kind, reflected, other: kind != "table" or name.startswith(ours)})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_the_head_is_found_by_the_files_names(tmp_path):
    path = tmp_path / "x.db"
    database.upgrade(f"sqlite:///{path}")
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == (database.head_revision(),)
    assert path.stat().st_mode & 0o777 == 0o600


def test_it_goes_down_again(tmp_path):
    url = f"sqlite:///{tmp_path}/x.db"
    database.upgrade(url)
    command.downgrade(database._alembic(url), "base")
    with sqlite3.connect(tmp_path / "x.db") as connection:
        tables = {name for name, in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert tables == {"alembic_version"}
