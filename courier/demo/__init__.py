"""The demo: an invented town, its bag lists, and a day that is planned and published."""

from courier.demo.preparing import SEED, Prepared, SignIn, make_day, prepare
from courier.demo.sheets import make_lines, make_sheet

__all__ = ["SEED", "Prepared", "SignIn", "make_day", "make_lines", "make_sheet", "prepare"]
