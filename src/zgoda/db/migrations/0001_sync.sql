-- Where records come from and go to: one stream of one connection. `account` is the vendor's own name for the
-- organisation behind the connection, so that ids of two organisations never mix.
CREATE TABLE source (
    id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    connection text NOT NULL,
    stream text NOT NULL,
    entity text NOT NULL,
    mapping_version text NOT NULL DEFAULT '',
    canary text NOT NULL DEFAULT 'first' CHECK (canary IN ('first', 'second', 'all', 'stopped')),
    canary_since timestamptz NOT NULL DEFAULT '1970-01-01Z',
    UNIQUE (connection, stream)
);

-- State of a connection as operators and errors left it.
CREATE TABLE connection_state (
    connection text PRIMARY KEY,
    account text NOT NULL DEFAULT '',
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'paused', 'needs_attention')),
    reason text NOT NULL DEFAULT '',
    since timestamptz,
    retry_at timestamptz,
    approved_at timestamptz,
    used_today integer NOT NULL DEFAULT 0,
    used_on date
);

-- Vendor fields that are gone there or hidden from us: paused, while the rest of their stream goes on.
CREATE TABLE lost_field (
    source smallint NOT NULL REFERENCES source,
    vendor text NOT NULL,
    reason text NOT NULL,
    since timestamptz NOT NULL,
    PRIMARY KEY (source, vendor)
);

-- Positions in change feeds, saved in the transaction that stores what was read up to them.
CREATE TABLE feed (
    source smallint NOT NULL REFERENCES source,
    kind text NOT NULL CHECK (kind IN ('all', 'changes', 'deletes')),
    cursor jsonb,
    read_at timestamptz,
    complete_at timestamptz,
    known_total bigint,
    PRIMARY KEY (source, kind)
);

CREATE SEQUENCE golden_ids;
CREATE SEQUENCE inbox_ids;
CREATE SEQUENCE delivery_ids;
CREATE SEQUENCE change_ids;
CREATE SEQUENCE conflict_ids;
CREATE SEQUENCE join_ids;
CREATE SEQUENCE run_ids;

-- One golden record per thing; its row lock is the lane that keeps order per thing. `keys`: what `match_key` has of it.
CREATE TABLE golden (
    id bigint PRIMARY KEY DEFAULT nextval('golden_ids'),
    entity text NOT NULL,
    fields jsonb NOT NULL,
    claims jsonb NOT NULL,
    keys text[] NOT NULL DEFAULT '{}',
    flips jsonb,
    version integer NOT NULL DEFAULT 1,
    joined_into bigint,
    gone boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL
);
CREATE INDEX golden_joined ON golden (joined_into) WHERE joined_into IS NOT NULL;
CREATE INDEX golden_changed ON golden (entity, changed_at);

-- Normalised identifiers by which a new record finds its golden one.
CREATE TABLE match_key (
    entity text NOT NULL,
    key text NOT NULL,
    golden_id bigint NOT NULL,
    PRIMARY KEY (entity, key, golden_id)
);

-- References between golden records, so that a parent's arrival finds its children.
CREATE TABLE reference (
    golden_id bigint NOT NULL,
    field text NOT NULL,
    refers_to bigint NOT NULL,
    PRIMARY KEY (golden_id, field)
);
CREATE INDEX reference_to ON reference (refers_to);

-- A system's record tied to a golden one. `base`: what that system last held as far as we know; `agreed`: golden
-- values its differing base counts as equal to; `inflight`: our own write until a fresh read confirms it.
CREATE TABLE link (
    source smallint NOT NULL,
    vendor_id text NOT NULL,
    golden_id bigint NOT NULL,
    base jsonb NOT NULL,
    agreed jsonb,
    inflight jsonb,
    faults jsonb,
    fingerprint bigint,
    stamp text,
    modified_us bigint,
    read_us bigint NOT NULL,
    excluded text,
    gone boolean NOT NULL DEFAULT false,
    moved_to text,
    PRIMARY KEY (source, vendor_id)
);
CREATE INDEX link_golden ON link (golden_id);

-- What was read and not yet reconciled. `wait_source`/`wait_id`: the parent record this one waits for.
CREATE TABLE inbox (
    seq bigint PRIMARY KEY DEFAULT nextval('inbox_ids'),
    source smallint NOT NULL,
    vendor_id text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('row', 'gone', 'hint')),
    body jsonb,
    fingerprint bigint,
    read_us bigint NOT NULL,
    backfill boolean NOT NULL,
    run bigint,
    due_us bigint NOT NULL DEFAULT 0,
    tries smallint NOT NULL DEFAULT 0,
    fault text
);
CREATE INDEX inbox_key ON inbox (source, vendor_id);
CREATE INDEX inbox_order ON inbox (backfill, seq) WHERE kind <> 'hint';
CREATE INDEX inbox_kind ON inbox (source, kind, seq);

-- Records that wait for a parent nobody has seen yet.
CREATE TABLE orphan (
    parent_source smallint NOT NULL,
    parent_id text NOT NULL,
    source smallint NOT NULL,
    vendor_id text NOT NULL,
    body jsonb NOT NULL,
    read_us bigint NOT NULL,
    backfill boolean NOT NULL,
    PRIMARY KEY (parent_source, parent_id, source, vendor_id)
);

-- Golden records whose deliveries must be thought over again (a receipt came, a rule changed).
CREATE TABLE replan (
    golden_id bigint PRIMARY KEY,
    backfill boolean NOT NULL DEFAULT false
);

-- The outbox: what a system should be told, and afterwards what became of it. An opt-out travels alone (`optout`), so
-- that nothing else can hold it up. `refused`: fields the system would not
-- have in a new record, with its reason; `left_out`: fields of the patch that did not go in the last attempt.
CREATE TABLE delivery (
    id bigint PRIMARY KEY DEFAULT nextval('delivery_ids'),
    source smallint NOT NULL,
    golden_id bigint NOT NULL,
    vendor_id text,
    op text NOT NULL CHECK (op IN ('create', 'update', 'delete')),
    optout boolean NOT NULL DEFAULT false,
    patch jsonb NOT NULL,
    prior jsonb NOT NULL,
    refused jsonb,
    left_out jsonb,
    lane smallint NOT NULL,
    state text NOT NULL CHECK (state IN ('pending', 'inflight', 'applied', 'superseded', 'filtered', 'held', 'failing', 'dead')),
    reason text,
    cause smallint,
    golden_version integer NOT NULL DEFAULT 0,
    again boolean NOT NULL DEFAULT false,
    run bigint,
    due_us bigint NOT NULL DEFAULT 0,
    tries smallint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    sent_at timestamptz,
    settled_at timestamptz
);
CREATE UNIQUE INDEX delivery_open ON delivery (source, golden_id, coalesce(vendor_id, ''), optout)
    WHERE state IN ('pending', 'inflight', 'held', 'failing', 'dead');
CREATE INDEX delivery_due ON delivery (source, lane, id) WHERE state IN ('pending', 'failing');
CREATE INDEX delivery_inflight ON delivery (golden_id, source) WHERE state = 'inflight';
CREATE INDEX delivery_golden ON delivery (golden_id);

-- Every change of a golden record, with the rule that made it: field -> [old, new, rule].
CREATE TABLE change (
    id bigint PRIMARY KEY DEFAULT nextval('change_ids'),
    golden_id bigint NOT NULL,
    source smallint,
    vendor_id text,
    kind text NOT NULL,
    fields jsonb NOT NULL,
    said_us bigint,
    at timestamptz NOT NULL,
    run bigint
);
CREATE INDEX change_golden ON change (golden_id, id);

-- Two sides said different things. The losing value is never thrown away.
CREATE TABLE conflict (
    id bigint PRIMARY KEY DEFAULT nextval('conflict_ids'),
    golden_id bigint NOT NULL,
    field text NOT NULL,
    kept jsonb,
    kept_source smallint,
    lost jsonb,
    lost_source smallint,
    rule text NOT NULL,
    state text NOT NULL CHECK (state IN ('settled', 'open', 'decided')),
    at timestamptz NOT NULL,
    decided_by text,
    run bigint
);
CREATE INDEX conflict_open ON conflict (golden_id, field) WHERE state = 'open';
CREATE INDEX conflict_golden ON conflict (golden_id, id);

-- Records a system does not get, and why.
CREATE TABLE exclusion (
    source smallint NOT NULL,
    golden_id bigint NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (source, golden_id)
);

-- Records that might be one: kept apart until a person or a rule says so.
CREATE TABLE suspicion (
    golden_id bigint NOT NULL,
    other_id bigint NOT NULL,
    reason text NOT NULL,
    at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'joined', 'apart')),
    PRIMARY KEY (golden_id, other_id)
);

-- Joins of golden records, with what is needed to undo them.
CREATE TABLE joining (
    id bigint PRIMARY KEY DEFAULT nextval('join_ids'),
    survivor bigint NOT NULL,
    loser bigint NOT NULL,
    reason text NOT NULL,
    before jsonb NOT NULL,
    at timestamptz NOT NULL,
    split_at timestamptz
);

-- The last word on a contact point (an address, a number), whoever it belongs to now.
CREATE TABLE consent_point (
    channel text NOT NULL,
    purpose text NOT NULL,
    point text NOT NULL,
    status text NOT NULL,
    said_us bigint NOT NULL,
    proof_us bigint,
    source smallint,
    PRIMARY KEY (channel, purpose, point)
);

-- Runs and what became of their rows.
CREATE TABLE run (
    id bigint PRIMARY KEY DEFAULT nextval('run_ids'),
    kind text NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    result text,
    report jsonb
);

-- What may be sent: switches, brakes and their windows.
CREATE TABLE switch (
    name text PRIMARY KEY,
    value jsonb NOT NULL,
    set_at timestamptz NOT NULL,
    set_by text NOT NULL DEFAULT ''
);

-- Loops that only one worker may run at a time; the token fences late ones off.
CREATE TABLE lease (
    name text PRIMARY KEY,
    holder text NOT NULL,
    token bigint NOT NULL,
    until timestamptz NOT NULL
);

-- Ids met by a running full read, to find what is gone where a vendor keeps no tombstones.
CREATE UNLOGGED TABLE sweep (
    source smallint NOT NULL,
    vendor_id text NOT NULL,
    PRIMARY KEY (source, vendor_id)
);

-- How much changed lately because of one source, in slots that slide with time, and why it has to wait.
CREATE TABLE brake (
    source smallint PRIMARY KEY,
    slots jsonb NOT NULL,
    tripped text
);

-- Every record has exactly one state in every system that could hold it; the worst one counts.
CREATE VIEW record_state AS
SELECT s.id AS source, g.id AS golden_id, l.vendor_id,
    CASE
        WHEN d.state = 'held' THEN 'held'
        WHEN d.state IN ('failing', 'dead') OR l.faults IS NOT NULL THEN 'failing'
        WHEN d.state IN ('pending', 'inflight') THEN 'pending'
        WHEN l.excluded IS NOT NULL OR x.reason IS NOT NULL OR l.gone THEN 'excluded'
        WHEN l.golden_id IS NULL THEN 'pending'
        ELSE 'in sync'
    END AS state,
    CASE
        WHEN d.state IN ('held', 'failing', 'dead') THEN d.reason
        WHEN l.faults IS NOT NULL THEN (SELECT string_agg(f.key || ': ' || (f.value #>> '{}'), '; ') FROM jsonb_each(l.faults) AS f)
        WHEN d.state IN ('pending', 'inflight') THEN d.reason
        WHEN l.gone THEN 'deleted there'
        ELSE coalesce(l.excluded, x.reason)
    END AS reason
FROM golden g
JOIN source s ON s.entity = g.entity
LEFT JOIN (
    SELECT DISTINCT ON (golden_id, source) golden_id, source, vendor_id, faults, excluded, gone
    FROM link ORDER BY golden_id, source, gone, excluded NULLS FIRST
) l ON l.golden_id = g.id AND l.source = s.id
LEFT JOIN (
    SELECT DISTINCT ON (golden_id, source) golden_id, source, state, reason
    FROM delivery WHERE state IN ('pending', 'inflight', 'held', 'failing', 'dead')
    ORDER BY golden_id, source, array_position(ARRAY['held', 'dead', 'failing', 'pending', 'inflight'], state), id
) d ON d.golden_id = g.id AND d.source = s.id
LEFT JOIN exclusion x ON x.source = s.id AND x.golden_id = g.id
WHERE g.joined_into IS NULL;
