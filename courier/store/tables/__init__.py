"""The tables, one class each. Records are dumb; the rules live in `courier.domain`, the invariants also here as constraints.

Amounts are whole dong, moments are UTC, days are days in Asia/Ho_Chi_Minh. `version` counts the changes of a row that people edit.
"""

from courier.store.tables.agencies import *
from courier.store.tables.base import *
from courier.store.tables.books import *
from courier.store.tables.citizens import *
from courier.store.tables.items import *
from courier.store.tables.lists import *
from courier.store.tables.messages import *
from courier.store.tables.money import *
from courier.store.tables.people import *
from courier.store.tables.plans import *
