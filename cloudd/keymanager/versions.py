"""The history of the key manager's API, oldest first."""

from cloudd.core.http.microversions import Change, History

CONSUMERS = Change("1.1", "secrets show who uses them")
NOT_IN_USE = Change("1.2", "a secret that somebody uses is deleted only with force")

HISTORY = History("1.0", (CONSUMERS, NOT_IN_USE))
