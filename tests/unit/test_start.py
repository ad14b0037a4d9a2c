"""What the daemon loads when it starts."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SELDOM = ("alembic", "ldap3", "ldap", "lxml", "signxml", "jwt", "cryptography.x509", "asyncpg", "boto3",
          "sqlalchemy.dialects.postgresql")


@pytest.fixture(scope="module")
def loaded():
    told = subprocess.run([sys.executable, "-c", "import sys, cloudd.daemon; print(*sys.modules)"], cwd=ROOT, check=True,
                          capture_output=True, text=True, timeout=120)
    return set(told.stdout.split())


@pytest.mark.parametrize("name", SELDOM)
def test_what_few_requests_need_is_not_loaded_at_the_start(loaded, name):
    assert name not in loaded
