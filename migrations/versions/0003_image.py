"""image: the first tables."""

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Filled from the models."""


def downgrade() -> None:
    """Filled from the models."""
