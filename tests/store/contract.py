"""What every store must do: mix StoreContract into a TestCase and give make_store().

    class MaildirContract(StoreContract, TestCase):
        def make_store(self, settings, clock):
            return MaildirStore(...)

What needs Deferreds that fire at once (an inline pool) stands in tests.store.machine.
"""

from __future__ import annotations

from tests.store.contract_changes import ChangesContract
from tests.store.contract_messages import MessagesContract
from tests.store.contract_names import NamesContract
from tests.store.contract_search import SearchContract


class StoreContract(NamesContract, MessagesContract, ChangesContract, SearchContract):
    """Every method, error and law of mailhub.store.interfaces."""
