"""The ledger's rules, kept by the database itself: balanced, sealed, append-only, no overdrawn pocket, no closed day reopened.

Lines are written before their transaction (the foreign key waits for the commit); writing the transaction checks and seals
them. The books of events and of audits take no change either.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

APPEND_ONLY = ("ledger_entry", "ledger_tx", "event", "event_item", "audit_entry", "remittance", "dossier_step")

SQLITE_SEAL = (
    """
    CREATE TRIGGER ledger_tx_seal BEFORE INSERT ON ledger_tx BEGIN
      SELECT RAISE(ABORT, 'ledger: does not sum to zero')
        WHERE (SELECT coalesce(sum(amount_dong), 0) FROM ledger_entry WHERE tx_id = NEW.id) <> 0;
      SELECT RAISE(ABORT, 'ledger: lines are missing')
        WHERE (SELECT count(*) FROM ledger_entry WHERE tx_id = NEW.id) <> NEW.lines;
      SELECT RAISE(ABORT, 'ledger: day is closed') WHERE EXISTS (
        SELECT 1 FROM ledger_entry e JOIN remittance r
          ON r.postman_id = substr(e.account, 6, 36) AND r.day = substr(e.account, 43)
          WHERE e.tx_id = NEW.id AND e.account LIKE 'cash:%');
      SELECT RAISE(ABORT, 'ledger: cash is overdrawn') WHERE EXISTS (
        SELECT 1 FROM ledger_entry WHERE account IN (
          SELECT account FROM ledger_entry WHERE tx_id = NEW.id AND account LIKE 'cash:%')
        GROUP BY account HAVING sum(amount_dong) < 0);
    END
    """,
    """
    CREATE TRIGGER ledger_entry_sealed BEFORE INSERT ON ledger_entry
      WHEN EXISTS (SELECT 1 FROM ledger_tx WHERE id = NEW.tx_id)
      BEGIN SELECT RAISE(ABORT, 'ledger: the transaction is sealed'); END
    """,
)

POSTGRESQL_SEAL = (
    """
    CREATE FUNCTION ledger_seal() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE pocket text;
    BEGIN
      IF (SELECT coalesce(sum(amount_dong), 0) FROM ledger_entry WHERE tx_id = NEW.id) <> 0 THEN
        RAISE EXCEPTION 'ledger: does not sum to zero' USING ERRCODE = 'check_violation';
      END IF;
      IF (SELECT count(*) FROM ledger_entry WHERE tx_id = NEW.id) <> NEW.lines THEN
        RAISE EXCEPTION 'ledger: lines are missing' USING ERRCODE = 'check_violation';
      END IF;
      FOR pocket IN
        SELECT DISTINCT account FROM ledger_entry WHERE tx_id = NEW.id AND account LIKE 'cash:%' ORDER BY account
      LOOP
        PERFORM pg_advisory_xact_lock(hashtextextended(pocket, 0));
        IF EXISTS (SELECT 1 FROM remittance r WHERE r.postman_id = split_part(pocket, ':', 2)::uuid
                   AND r.day = split_part(pocket, ':', 3)::date) THEN
          RAISE EXCEPTION 'ledger: day is closed' USING ERRCODE = 'check_violation';
        END IF;
        IF (SELECT sum(amount_dong) FROM ledger_entry WHERE account = pocket) < 0 THEN
          RAISE EXCEPTION 'ledger: cash is overdrawn' USING ERRCODE = 'check_violation';
        END IF;
      END LOOP;
      RETURN NEW;
    END $$
    """,
    "CREATE TRIGGER ledger_tx_seal BEFORE INSERT ON ledger_tx FOR EACH ROW EXECUTE FUNCTION ledger_seal()",
    """
    CREATE FUNCTION ledger_entry_sealed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF EXISTS (SELECT 1 FROM ledger_tx WHERE id = NEW.tx_id) THEN
        RAISE EXCEPTION 'ledger: the transaction is sealed' USING ERRCODE = 'check_violation';
      END IF;
      RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER ledger_entry_sealed BEFORE INSERT ON ledger_entry
      FOR EACH ROW EXECUTE FUNCTION ledger_entry_sealed()
    """,
    # Two sessions cannot see each other's lines before they commit, so the count is taken again at the commit.
    """
    CREATE FUNCTION ledger_entry_counted() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF (SELECT count(*) FROM ledger_entry WHERE tx_id = NEW.tx_id)
         <> (SELECT lines FROM ledger_tx WHERE id = NEW.tx_id) THEN
        RAISE EXCEPTION 'ledger: the transaction is sealed' USING ERRCODE = 'check_violation';
      END IF;
      RETURN NULL;
    END $$
    """,
    """
    CREATE CONSTRAINT TRIGGER ledger_entry_counted AFTER INSERT ON ledger_entry DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW EXECUTE FUNCTION ledger_entry_counted()
    """,
    """
    CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'check_violation';
    END $$
    """,
)


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for statement in SQLITE_SEAL:
            op.execute(statement)
        for table in APPEND_ONLY:
            for verb in ("UPDATE", "DELETE"):
                op.execute(
                    f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
                )
        return
    for statement in POSTGRESQL_SEAL:
        op.execute(statement)
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
        )
