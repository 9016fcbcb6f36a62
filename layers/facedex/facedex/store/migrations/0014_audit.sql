-- The audit log: who did what to which face. Rows are only added, and each is chained to the one
-- before it by a hash, so that a changed, removed or moved row is found.

-- "entry" is a JSON object in its canonical form: the hash covers its text.
CREATE TABLE audit_log (
    id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entry text NOT NULL
);
ALTER TABLE audit_log ALTER COLUMN entry SET STATISTICS 0;

-- The chain: hash = SHA-256 of the previous hash and "position id entry". The order is that of the
-- commits, which only a reader of committed rows can know, so that it is not a column of the log.
CREATE TABLE audit_chain (
    position bigint PRIMARY KEY,
    id       bigint NOT NULL,
    hash     bytea NOT NULL
);

-- Rows that are not chained yet.
CREATE TABLE audit_queue (id bigint NOT NULL);

-- The last row of each part of the log that was removed because of its age. The chain goes on from
-- the newest one.
CREATE TABLE audit_anchors (
    position bigint PRIMARY KEY,
    hash     bytea NOT NULL,
    made_at  timestamptz NOT NULL DEFAULT now()
);

-- Names of collections, users and stream processors are in the log as digests with this key, which
-- is not part of an export: a name that was deleted can be looked for, but not read.
INSERT INTO secrets (name, value)
VALUES ('audit', uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));

CREATE FUNCTION audit_digest(kind text, name text) RETURNS text
LANGUAGE sql STABLE STRICT SECURITY DEFINER
AS $$
    SELECT encode(substring(
        sha256(value || convert_to(kind || ' ' || $2, 'UTF8')) FOR 16), 'hex')
    FROM secrets WHERE secrets.name = 'audit'
$$;

-- Chains up to "most" rows, unless another transaction is doing so: no writer waits. The lock is
-- held until the commit, so that the next one sees these links.
CREATE FUNCTION chain_audit(most integer) RETURNS integer
LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER
AS $$
DECLARE
    here    bigint;
    head    bytea;
    waiting record;
    chained integer := 0;
BEGIN
    IF NOT pg_try_advisory_xact_lock(16442078) THEN
        RETURN 0;
    END IF;
    SELECT position, hash INTO here, head FROM (
        (SELECT position, hash FROM audit_chain ORDER BY position DESC LIMIT 1)
        UNION ALL
        (SELECT position, hash FROM audit_anchors ORDER BY position DESC LIMIT 1)
        UNION ALL
        SELECT 0, decode(repeat('00', 32), 'hex')
    ) AS links ORDER BY position DESC LIMIT 1;
    FOR waiting IN
        WITH taken AS (
            DELETE FROM audit_queue
            WHERE ctid = ANY (ARRAY(SELECT ctid FROM audit_queue LIMIT most))
            RETURNING id
        )
        SELECT audit_log.id, entry FROM taken JOIN audit_log USING (id) ORDER BY id
    LOOP
        here := here + 1;
        head := sha256(
            head || convert_to(here || ' ' || waiting.id || ' ' || waiting.entry, 'UTF8'));
        INSERT INTO audit_chain (position, id, hash) VALUES (here, waiting.id, head);
        chained := chained + 1;
    END LOOP;
    RETURN chained;
END
$$;

-- Every new row is queued, and chained at once unless another transaction is chaining.
CREATE FUNCTION queue_audit() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
AS $$
BEGIN
    INSERT INTO audit_queue (id) SELECT id FROM added;
    PERFORM chain_audit(64);
    RETURN NULL;
END
$$;
CREATE TRIGGER queued AFTER INSERT ON audit_log
REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION queue_audit();

-- Adds a row without waiting for the disk, for requests that change nothing. A function, because a
-- statement that names a setting pins a connection of RDS Proxy.
CREATE FUNCTION add_audit(entry text) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    INSERT INTO audit_log (entry) VALUES (add_audit.entry);
END
$$;

-- Removes the rows up to a position, whose hash remains as an anchor, and notes it in the log.
CREATE FUNCTION prune_audit(through bigint, note text) RETURNS bigint
LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER
AS $$
DECLARE
    removed bigint;
BEGIN
    INSERT INTO audit_log (entry) VALUES (note);
    INSERT INTO audit_anchors (position, hash)
    SELECT position, hash FROM audit_chain WHERE position = through;
    DELETE FROM audit_log WHERE id IN (SELECT id FROM audit_chain WHERE position <= through);
    GET DIAGNOSTICS removed = ROW_COUNT;
    DELETE FROM audit_chain WHERE position <= through;
    RETURN removed;
END
$$;

-- No row is changed, and only rows that an anchor replaces are removed.
CREATE FUNCTION refuse_audit_change() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION 'The audit log is append-only: % of % is refused.', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER unchanged BEFORE UPDATE OR TRUNCATE ON audit_log
FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();
CREATE TRIGGER unchanged BEFORE UPDATE OR TRUNCATE ON audit_chain
FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();
CREATE TRIGGER unchanged BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_anchors
FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();

-- An anchor has the hash of its row, and no row up to it is younger than a week.
CREATE FUNCTION check_audit_anchor() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM audit_chain WHERE position = NEW.position AND hash = NEW.hash
    ) OR EXISTS (
        SELECT FROM audit_chain JOIN audit_log USING (id)
        WHERE position <= NEW.position
            AND (entry::jsonb ->> 'time')::timestamptz >= now() - interval '7 days'
    ) THEN
        RAISE EXCEPTION 'The audit log is append-only: a row of the last 7 days is not removed.'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER checked BEFORE INSERT ON audit_anchors
FOR EACH ROW EXECUTE FUNCTION check_audit_anchor();

CREATE FUNCTION check_audit_removal() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    IF EXISTS (
        SELECT FROM gone WHERE NOT EXISTS (
            SELECT FROM audit_chain
            WHERE audit_chain.id = gone.id
                AND position <= (SELECT max(position) FROM audit_anchors)
        )
    ) THEN
        RAISE EXCEPTION 'The audit log is append-only: DELETE of audit_log is refused.'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER kept AFTER DELETE ON audit_log
REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION check_audit_removal();

CREATE FUNCTION check_link_removal() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    IF EXISTS (
        SELECT FROM gone
        WHERE position > coalesce((SELECT max(position) FROM audit_anchors), 0)
    ) THEN
        RAISE EXCEPTION 'The audit log is append-only: DELETE of audit_chain is refused.'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER kept AFTER DELETE ON audit_chain
REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION check_link_removal();

-- These functions find only the tables of this schema, for every caller.
DO $$
DECLARE
    function text;
BEGIN
    FOREACH function IN ARRAY ARRAY[
        'audit_digest(text, text)', 'chain_audit(integer)', 'queue_audit()',
        'prune_audit(bigint, text)', 'refuse_audit_change()', 'check_audit_anchor()',
        'check_audit_removal()', 'check_link_removal()'
    ] LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', function, current_schema());
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', function);
    END LOOP;
END
$$;
REVOKE ALL ON audit_log, audit_chain, audit_queue, audit_anchors FROM PUBLIC;

-- A deployment gives the tables to a role of their own, so that the role of the functions can only
-- add rows; see docs/audit.md.
DO $$
BEGIN
    IF to_regprocedure('separate_audit()') IS NOT NULL
        AND has_function_privilege('separate_audit()', 'EXECUTE')
    THEN
        PERFORM separate_audit();
    END IF;
END
$$;
