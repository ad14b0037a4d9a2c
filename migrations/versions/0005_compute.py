"""compute: the first tables."""

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Filled from the models."""


def downgrade() -> None:
    """Filled from the models."""
