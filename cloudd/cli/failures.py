"""What the command tells in one line: the operator can mend these, a traceback would not help."""

from cloudd.core.database import UnknownSchema
from cloudd.core.module import DriverError
from cloudd.core.policy import PolicyError
from cloudd.core.tls import TlsError
from cloudd.daemon import AlreadyRunning
from cloudd.settings import SettingsError

EXPECTED = (UnknownSchema, DriverError, PolicyError, TlsError, AlreadyRunning, SettingsError, OSError)
