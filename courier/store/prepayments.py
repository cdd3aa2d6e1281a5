"""What was paid before the visit, in the words that a postman reads at the door."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, func, select
from sqlalchemy.orm import Session

from courier.domain.money import Outcome
from courier.store.tables import BankNotice, ItemCharge

_AT_ONCE = 500


def notes(where: Session | Connection, item_ids: Iterable[Any]) -> dict[Any, list[str]]:
    """A sentence about money before the visit for each item that has one; ids as they were given."""
    wanted = list(item_ids)
    found: dict[Any, list[str]] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        by_id = {UUID(str(item_id)): item_id for item_id in wanted[start : start + _AT_ONCE]}
        paid = where.execute(
            select(ItemCharge.item_id, func.sum(ItemCharge.prepaid_dong))
            .where(ItemCharge.item_id.in_(by_id), ItemCharge.prepaid_dong > 0)
            .group_by(ItemCharge.item_id)
        )
        for item_id, dong in paid:
            found.setdefault(by_id[item_id], []).append(f"Đã trả trước {_dong(dong)} qua ngân hàng.")
        waiting = where.execute(
            select(BankNotice.item_id, func.sum(BankNotice.amount_dong))
            .where(BankNotice.item_id.in_(by_id), BankNotice.outcome != Outcome.PAID, BankNotice.refunded_at.is_(None))
            .group_by(BankNotice.item_id)
        )
        for about, dong in waiting:
            if about is not None:
                found.setdefault(by_id[about], []).append(
                    f"Có {_dong(dong)} chuyển khoản chưa khớp, thủ quỹ đang xử lý: vẫn thu như ghi ở đây."
                )
    return found


def _dong(amount: int) -> str:
    return f"{amount:,}".replace(",", ".") + " đ"
