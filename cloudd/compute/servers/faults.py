"""What went wrong with a server, in words that its owner can act on."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd import network
from cloudd.compute.config import CONFIG
from cloudd.compute.models import Server, ServerFault
from cloudd.core import clock
from cloudd.core.errors import CloudError
from cloudd.core.jobs import StepFailed
from cloudd.core.jobs import words as words_of
from cloudd.drivers.hypervisor.base import HypervisorError


def words(error: BaseException) -> str:
    """One sentence for the owner."""
    return words_of(error, HypervisorError, network.NetworkDriverError)


async def record(tx: AsyncSession, server: Server, error: BaseException, *, doing: str = "") -> None:
    """Keep a fault for the server; the same words twice in a row are kept once (a job may be told of its end twice)."""
    message = f"{doing}: {words(error)}" if doing else words(error)
    newest = select(ServerFault).where(ServerFault.server_id == server.id).order_by(ServerFault.id.desc()).limit(1)
    last = (await tx.execute(newest)).scalar()
    if last is not None and last.message == message[:255]:
        return
    code = error.status if isinstance(error, CloudError) and not isinstance(error, StepFailed) else 500
    tx.add(ServerFault(server_id=server.id, code=code, message=message[:255], details=message, host=CONFIG.host,
                       created_at=clock.now()))
    await tx.flush()
