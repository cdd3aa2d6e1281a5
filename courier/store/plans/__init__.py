"""Plans in the database: what an office-day offers to be planned, and routes, stops and reasons as they were solved."""

from courier.store.plans.day import *
from courier.store.plans.shown import *
from courier.store.plans.solved import *
