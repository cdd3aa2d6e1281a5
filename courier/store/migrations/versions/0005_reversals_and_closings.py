"""Two more rules of the ledger: a reversal is not reversed, and a day closes only over an empty pocket."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SQLITE = (
    """
    CREATE TRIGGER ledger_tx_reversal BEFORE INSERT ON ledger_tx
      WHEN NEW.reverses IS NOT NULL AND EXISTS (
        SELECT 1 FROM ledger_tx WHERE id = NEW.reverses AND reverses IS NOT NULL)
      BEGIN SELECT RAISE(ABORT, 'ledger: a reversal is not reversed'); END
    """,
    """
    CREATE TRIGGER remittance_closes BEFORE INSERT ON remittance
      WHEN (SELECT coalesce(sum(amount_dong), 0) FROM ledger_entry
              WHERE account = 'cash:' || NEW.postman_id || ':' || NEW.day) <> 0
      BEGIN SELECT RAISE(ABORT, 'ledger: the pocket is not empty'); END
    """,
)

POSTGRESQL = (
    """
    CREATE FUNCTION ledger_reversal() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF EXISTS (SELECT 1 FROM ledger_tx WHERE id = NEW.reverses AND reverses IS NOT NULL) THEN
        RAISE EXCEPTION 'ledger: a reversal is not reversed' USING ERRCODE = 'check_violation';
      END IF;
      RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER ledger_tx_reversal BEFORE INSERT ON ledger_tx
      FOR EACH ROW WHEN (NEW.reverses IS NOT NULL) EXECUTE FUNCTION ledger_reversal()
    """,
    # The same lock as every posting to the pocket takes: one of them at this moment is counted or waits and is told.
    """
    CREATE FUNCTION remittance_closes() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE pocket text := 'cash:' || NEW.postman_id || ':' || to_char(NEW.day, 'YYYY-MM-DD');
    BEGIN
      PERFORM pg_advisory_xact_lock(hashtextextended(pocket, 0));
      IF (SELECT coalesce(sum(amount_dong), 0) FROM ledger_entry WHERE account = pocket) <> 0 THEN
        RAISE EXCEPTION 'ledger: the pocket is not empty' USING ERRCODE = 'check_violation';
      END IF;
      RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER remittance_closes BEFORE INSERT ON remittance
      FOR EACH ROW EXECUTE FUNCTION remittance_closes()
    """,
)


def upgrade() -> None:
    for statement in SQLITE if op.get_bind().dialect.name == "sqlite" else POSTGRESQL:
        op.execute(statement)
