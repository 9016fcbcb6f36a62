-- One at a time among those who lock the same name, until the end of the transaction.
-- A function, because RDS Proxy ties a client to its connection for good when it reads the name of
-- an advisory lock in a statement, be it one that ends with the transaction.
CREATE FUNCTION lock_name(name text) RETURNS void
LANGUAGE sql VOLATILE STRICT
AS $$ SELECT pg_advisory_xact_lock(hashtextextended(name, 0)) $$;
