-- name: changed_rows
-- Of the rows of a page, those whose content is new to us or whose link waits for a fresh look.
SELECT r.i FROM jsonb_to_recordset(%(batch)s::jsonb) AS r (i text, f bigint)
LEFT JOIN LATERAL (
    SELECT fingerprint, inflight, gone FROM link k WHERE k.source = %(source)s AND k.vendor_id = r.i OFFSET 0) l ON true
WHERE l.fingerprint IS DISTINCT FROM r.f OR l.inflight IS NOT NULL OR l.gone
   OR EXISTS (SELECT 1 FROM inbox b WHERE b.source = %(source)s AND b.vendor_id = r.i)

-- name: put_inbox
-- Store what was read, durably, before anything is done with it.
INSERT INTO inbox (source, vendor_id, kind, body, fingerprint, read_us, backfill, run, due_us, tries)
SELECT source, vendor_id, kind, body, fingerprint, read_us, backfill, run, due_us, tries
FROM jsonb_to_recordset(%(batch)s::jsonb) AS r (
    source smallint, vendor_id text, kind text, body jsonb, fingerprint bigint, read_us bigint, backfill boolean,
    run bigint, due_us bigint, tries smallint)

-- name: put_sweep
-- Remember the ids a full read has met.
INSERT INTO sweep (source, vendor_id)
SELECT %(source)s, r.i FROM jsonb_to_recordset(%(batch)s::jsonb) AS r (i text) ON CONFLICT DO NOTHING

-- name: start_sweep
-- Forget the ids of an earlier full read.
DELETE FROM sweep WHERE source = %(source)s

-- name: missing_after_sweep
-- Linked records a complete full read did not meet and that were known before it began.
SELECT l.vendor_id FROM link l
WHERE l.source = %(source)s AND NOT l.gone AND l.read_us < %(before_us)s
  AND (l.inflight IS NULL OR (l.inflight->>'since_us')::bigint < %(before_us)s)
  AND NOT EXISTS (SELECT 1 FROM sweep s WHERE s.source = l.source AND s.vendor_id = l.vendor_id)
  AND NOT EXISTS (SELECT 1 FROM inbox b WHERE b.source = l.source AND b.vendor_id = l.vendor_id)

-- name: known_count
-- How many live records of a source we know.
SELECT count(*) FROM link WHERE source = %(source)s AND NOT gone

-- name: save_feed
-- Advance a position, in the transaction that stored what was read up to it.
INSERT INTO feed (source, kind, cursor, read_at, complete_at, known_total)
VALUES (%(source)s, %(kind)s, %(cursor)s::jsonb, %(at)s, %(complete_at)s, %(total)s)
ON CONFLICT (source, kind) DO UPDATE SET cursor = coalesce(excluded.cursor, feed.cursor), read_at = excluded.read_at,
    complete_at = coalesce(excluded.complete_at, feed.complete_at),
    known_total = coalesce(excluded.known_total, feed.known_total)

-- name: load_feed
-- Where a feed stands.
SELECT cursor, read_at, complete_at FROM feed WHERE source = %(source)s AND kind = %(kind)s

-- name: take_inbox
-- The oldest due rows of an entity's sources; they are gone with this transaction's success.
DELETE FROM inbox WHERE seq = ANY(ARRAY(
    SELECT seq FROM inbox WHERE source = ANY(%(sources)s) AND kind <> 'hint' AND due_us <= %(now_us)s
    ORDER BY seq LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
RETURNING seq, source, vendor_id, kind, body, fingerprint, read_us, backfill, run, tries

-- name: peek_hints
-- Due hints of one source: records to read again.
SELECT seq, vendor_id, body FROM inbox WHERE source = %(source)s AND kind = 'hint' AND due_us <= %(now_us)s
ORDER BY seq LIMIT %(limit)s

-- name: drop_hints
-- Hints whose records were read and stored.
DELETE FROM inbox WHERE kind = 'hint' AND seq = ANY(%(ids)s::bigint[])

-- name: sweep_counts
-- How many ids the sweep met and how many live records we know.
SELECT (SELECT count(*) FROM sweep WHERE source = %(source)s), (SELECT count(*) FROM link WHERE source = %(source)s AND NOT gone)

-- name: take_replan
-- Golden records of an entity to be thought over again.
DELETE FROM replan WHERE golden_id = ANY(ARRAY(
    SELECT r.golden_id FROM replan r, LATERAL (SELECT entity FROM golden k WHERE k.id = r.golden_id OFFSET 0) g
    WHERE g.entity = %(entity)s ORDER BY r.golden_id LIMIT %(limit)s))
RETURNING golden_id, backfill

-- name: put_replan
-- Ask for golden records to be thought over again.
INSERT INTO replan (golden_id, backfill)
SELECT g, %(backfill)s FROM unnest(%(ids)s::bigint[]) AS t (g)
ON CONFLICT (golden_id) DO UPDATE SET backfill = replan.backfill AND excluded.backfill

-- name: find_links
-- The golden records of vendor ids (also of gone ones: a merge moved them).
SELECT r.s, r.i, l.golden_id FROM jsonb_to_recordset(%(batch)s::jsonb) AS r (s smallint, i text),
    LATERAL (SELECT golden_id FROM link k WHERE k.source = r.s AND k.vendor_id = r.i OFFSET 0) l

-- name: find_keys
-- The golden records that share identifying keys.
SELECT r.key, m.golden_id FROM jsonb_array_elements_text(%(batch)s::jsonb) AS r (key),
    LATERAL (SELECT golden_id FROM match_key k WHERE k.entity = %(entity)s AND k.key = r.key OFFSET 0) m

-- name: lock_golden
-- Golden records, locked in one order by everybody: the lock is the lane.
SELECT id, entity, fields, claims, flips, version, gone FROM golden
WHERE id = ANY(%(ids)s::bigint[]) AND joined_into IS NULL
ORDER BY id FOR UPDATE

-- name: load_links_of
-- All links of golden records.
SELECT source, vendor_id, golden_id, base, agreed, inflight, faults, fingerprint, stamp, modified_us, read_us,
    excluded, gone, moved_to
FROM link WHERE golden_id = ANY(%(ids)s::bigint[])

-- name: load_open_deliveries
-- What is still to be told about golden records.
SELECT source, golden_id, state, op, patch FROM delivery
WHERE golden_id = ANY(%(ids)s::bigint[])
  AND state IN ('pending', 'inflight', 'held', 'failing', 'dead')

-- name: load_exclusions
-- Systems that golden records were kept from.
SELECT source, golden_id, reason FROM exclusion
WHERE golden_id = ANY(%(ids)s::bigint[])

-- name: load_keys_of
-- The identifying keys golden records have so far.
SELECT golden_id, key FROM match_key
WHERE golden_id = ANY(%(ids)s::bigint[])

-- name: creating_now
-- Sources to which creates are on their way, so that a strange record there may be our own.
SELECT DISTINCT source FROM delivery WHERE state = 'inflight' AND op = 'create' AND source = ANY(%(sources)s)

-- name: new_golden_ids
-- Fresh ids for golden records.
SELECT nextval('golden_ids') FROM generate_series(1, %(count)s)

-- name: load_consent_points
-- What was last said about contact points.
SELECT channel, purpose, point, status, said_us, proof_us FROM consent_point
WHERE point = ANY(ARRAY(SELECT v FROM jsonb_array_elements_text(%(batch)s::jsonb) AS t (v)))

-- name: save_golden
-- New and changed golden records.
INSERT INTO golden (id, entity, fields, claims, flips, version, gone, created_at, changed_at)
SELECT id, entity, fields, claims, flips, version, gone, %(now)s, %(now)s
FROM jsonb_to_recordset(%(batch)s::jsonb) AS r (
    id bigint, entity text, fields jsonb, claims jsonb, flips jsonb, version integer, gone boolean)
ON CONFLICT (id) DO UPDATE SET fields = excluded.fields, claims = excluded.claims, flips = excluded.flips,
    version = excluded.version, gone = excluded.gone, changed_at = excluded.changed_at

-- name: save_links
-- What systems hold, after a look or a receipt.
INSERT INTO link (source, vendor_id, golden_id, base, agreed, inflight, faults, fingerprint, stamp, modified_us,
    read_us, excluded, gone, moved_to)
SELECT source, vendor_id, golden_id, base, agreed, inflight, faults, fingerprint, stamp, modified_us, read_us,
    excluded, gone, moved_to
FROM jsonb_to_recordset(%(batch)s::jsonb) AS r (
    source smallint, vendor_id text, golden_id bigint, base jsonb, agreed jsonb, inflight jsonb, faults jsonb,
    fingerprint bigint, stamp text, modified_us bigint, read_us bigint, excluded text, gone boolean, moved_to text)
ON CONFLICT (source, vendor_id) DO UPDATE SET golden_id = excluded.golden_id, base = excluded.base,
    agreed = excluded.agreed, inflight = excluded.inflight, faults = excluded.faults,
    fingerprint = excluded.fingerprint, stamp = excluded.stamp, modified_us = excluded.modified_us,
    read_us = excluded.read_us, excluded = excluded.excluded, gone = excluded.gone, moved_to = excluded.moved_to

-- name: drop_keys
-- Keys golden records no longer have.
DELETE FROM match_key k USING jsonb_to_recordset(%(batch)s::jsonb) AS r (e text, k text, g bigint)
WHERE k.entity = r.e AND k.key = r.k AND k.golden_id = r.g

-- name: save_keys
-- Keys golden records gained.
INSERT INTO match_key (entity, key, golden_id)
SELECT e, k, g FROM jsonb_to_recordset(%(batch)s::jsonb) AS r (e text, k text, g bigint) ON CONFLICT DO NOTHING

-- name: save_references
-- Which golden record refers to which.
INSERT INTO reference (golden_id, field, refers_to)
SELECT g, f, t FROM jsonb_to_recordset(%(batch)s::jsonb) AS r (g bigint, f text, t bigint) WHERE t IS NOT NULL
ON CONFLICT (golden_id, field) DO UPDATE SET refers_to = excluded.refers_to

-- name: drop_references
-- References that were cleared.
DELETE FROM reference x USING jsonb_to_recordset(%(batch)s::jsonb) AS r (g bigint, f text, t bigint)
WHERE x.golden_id = r.g AND x.field = r.f AND r.t IS NULL

-- name: save_changes
-- What changed, who said so and by which rule.
INSERT INTO change (golden_id, source, vendor_id, kind, fields, said_us, at, run)
SELECT golden_id, source, vendor_id, kind, fields, said_us, %(now)s, run
FROM jsonb_to_recordset(%(batch)s::jsonb) AS r (
    golden_id bigint, source smallint, vendor_id text, kind text, fields jsonb, said_us bigint, run bigint)

-- name: save_conflicts
-- What two systems disagreed about; an open question is asked once.
INSERT INTO conflict (golden_id, field, kept, kept_source, lost, lost_source, rule, state, at, run)
SELECT golden_id, field, kept, kept_source, lost, lost_source, rule, state, %(now)s, run
FROM jsonb_to_recordset(%(batch)s::jsonb) AS r (
    golden_id bigint, field text, kept jsonb, kept_source smallint, lost jsonb, lost_source smallint, rule text,
    state text, run bigint)
WHERE r.state <> 'open' OR NOT EXISTS (
    SELECT 1 FROM conflict c WHERE c.golden_id = r.golden_id AND c.field = r.field AND c.state = 'open'
      AND c.lost_source = r.lost_source AND c.lost IS NOT DISTINCT FROM r.lost)

-- name: save_deliveries
-- What is to be told; a waiting delivery to the same system takes the newer content, one on its way is left alone.
INSERT INTO delivery (source, golden_id, vendor_id, op, patch, prior, lane, state, reason, cause, golden_version, run,
    due_us, created_at)
SELECT source, golden_id, vendor_id, op, patch, prior, lane, state, reason, cause, golden_version, run, due_us, %(now)s
FROM jsonb_to_recordset(%(batch)s::jsonb) AS r (
    source smallint, golden_id bigint, vendor_id text, op text, patch jsonb, prior jsonb, lane smallint, state text,
    reason text, cause smallint, golden_version integer, run bigint, due_us bigint)
ON CONFLICT (source, golden_id) WHERE state IN ('pending', 'inflight', 'held', 'failing', 'dead')
DO UPDATE SET vendor_id = excluded.vendor_id, op = excluded.op, patch = excluded.patch, prior = excluded.prior,
    lane = least(delivery.lane, excluded.lane), golden_version = excluded.golden_version,
    cause = excluded.cause, run = excluded.run,
    due_us = CASE WHEN delivery.state = 'failing' AND delivery.patch = excluded.patch
        THEN delivery.due_us ELSE excluded.due_us END,
    tries = CASE WHEN delivery.patch = excluded.patch THEN delivery.tries ELSE 0 END,
    state = CASE WHEN delivery.state IN ('dead', 'failing') AND delivery.patch = excluded.patch AND delivery.op = excluded.op
        THEN delivery.state WHEN delivery.state = 'held' THEN 'held' ELSE excluded.state END,
    reason = CASE WHEN delivery.state IN ('dead', 'failing', 'held') THEN coalesce(delivery.reason, excluded.reason)
        ELSE excluded.reason END
WHERE delivery.state <> 'inflight'

-- name: supersede_deliveries
-- What need not be told any more.
UPDATE delivery d SET state = 'superseded', settled_at = %(now)s
FROM jsonb_to_recordset(%(batch)s::jsonb) AS r (s smallint, g bigint)
WHERE d.source = r.s AND d.golden_id = r.g AND d.state IN ('pending', 'held', 'failing', 'dead')

-- name: save_exclusions
-- Systems that do not get a record, and why.
INSERT INTO exclusion (source, golden_id, reason)
SELECT s, g, why FROM jsonb_to_recordset(%(batch)s::jsonb) AS r (s smallint, g bigint, why text)
ON CONFLICT (source, golden_id) DO UPDATE SET reason = excluded.reason

-- name: drop_exclusions
-- Systems that get a record again.
DELETE FROM exclusion x USING jsonb_to_recordset(%(batch)s::jsonb) AS r (s smallint, g bigint)
WHERE x.source = r.s AND x.golden_id = r.g

-- name: save_orphans
-- Records that wait for a parent nobody has seen.
INSERT INTO orphan (parent_source, parent_id, source, vendor_id, body, read_us, backfill)
SELECT parent_source, parent_id, source, vendor_id, body, read_us, backfill
FROM jsonb_to_recordset(%(batch)s::jsonb) AS r (
    parent_source smallint, parent_id text, source smallint, vendor_id text, body jsonb, read_us bigint,
    backfill boolean)
ON CONFLICT (parent_source, parent_id, source, vendor_id) DO UPDATE
SET body = excluded.body, read_us = excluded.read_us WHERE orphan.read_us <= excluded.read_us

-- name: release_orphans
-- Children of parents that have just arrived go back into the inbox.
WITH released AS (
    DELETE FROM orphan o USING jsonb_to_recordset(%(batch)s::jsonb) AS r (s smallint, i text)
    WHERE o.parent_source = r.s AND o.parent_id = r.i
    RETURNING o.source, o.vendor_id, o.body, o.read_us, o.backfill)
INSERT INTO inbox (source, vendor_id, kind, body, read_us, backfill)
SELECT source, vendor_id, 'row', body, read_us, backfill FROM released

-- name: save_suspicions
-- Records that might be one.
INSERT INTO suspicion (golden_id, other_id, reason, at)
SELECT g, o, why, %(now)s FROM jsonb_to_recordset(%(batch)s::jsonb) AS r (g bigint, o bigint, why text)
ON CONFLICT DO NOTHING

-- name: save_consent_points
-- The last word on contact points.
INSERT INTO consent_point (channel, purpose, point, status, said_us, proof_us, source)
SELECT channel, purpose, point, status, said_us, proof_us, source
FROM jsonb_to_recordset(%(batch)s::jsonb) AS r (
    channel text, purpose text, point text, status text, said_us bigint, proof_us bigint, source smallint)
ON CONFLICT (channel, purpose, point) DO UPDATE SET status = excluded.status, said_us = excluded.said_us,
    proof_us = excluded.proof_us, source = excluded.source

-- name: cancel_gone
-- A record that is there again cancels its own pending deletion.
DELETE FROM inbox b USING jsonb_to_recordset(%(batch)s::jsonb) AS r (s smallint, i text, read_us bigint)
WHERE b.source = r.s AND b.vendor_id = r.i AND b.kind = 'gone' AND b.read_us <= r.read_us

-- name: save_joinings
-- Joins of golden records, with what is needed to split them again.
INSERT INTO joining (survivor, loser, reason, before, at)
SELECT survivor, loser, reason, before, %(now)s FROM jsonb_to_recordset(%(batch)s::jsonb) AS r (
    survivor bigint, loser bigint, reason text, before jsonb)

-- name: bury_losers
-- Golden records that live on in another one.
UPDATE golden g SET joined_into = r.survivor FROM jsonb_to_recordset(%(batch)s::jsonb) AS r (survivor bigint, loser bigint)
WHERE g.id = r.loser

-- name: repoint_children
-- What referred to the loser of a join refers to its survivor, and is thought over again.
WITH moved AS (
    UPDATE reference x SET refers_to = r.survivor
    FROM jsonb_to_recordset(%(batch)s::jsonb) AS r (survivor bigint, loser bigint)
    WHERE x.refers_to = r.loser RETURNING x.golden_id, x.field, x.refers_to),
changed AS (
    UPDATE golden g SET fields = jsonb_set(g.fields, ARRAY[m.field], to_jsonb(m.refers_to)), version = g.version + 1,
        changed_at = %(now)s
    FROM moved m WHERE g.id = m.golden_id RETURNING g.id)
INSERT INTO replan (golden_id) SELECT DISTINCT id FROM changed ON CONFLICT DO NOTHING

-- name: mark_again
-- Deliveries on their way whose record changed meanwhile.
UPDATE delivery d SET again = true FROM jsonb_to_recordset(%(batch)s::jsonb) AS r (s smallint, g bigint)
WHERE d.source = r.s AND d.golden_id = r.g AND d.state = 'inflight'

-- name: lost_deliveries
-- Writes in flight that nobody is waiting for any more: their outcome is unknown.
SELECT id, golden_id, vendor_id, op, patch, prior, lane, tries, golden_version,
    (extract(epoch FROM created_at) * 1000000)::bigint
FROM delivery WHERE source = %(source)s AND state = 'inflight' ORDER BY id

-- name: due_deliveries
-- Golden records with something due for a system, most urgent first.
SELECT golden_id FROM delivery
WHERE source = %(source)s AND state IN ('pending', 'failing') AND due_us <= %(now_us)s AND lane <= %(lane)s
ORDER BY lane, id LIMIT %(limit)s

-- name: claim_deliveries
-- What is due for locked golden records.
SELECT id, golden_id, vendor_id, op, patch, prior, lane, tries, golden_version,
    (extract(epoch FROM created_at) * 1000000)::bigint
FROM delivery
WHERE source = %(source)s AND state IN ('pending', 'failing') AND due_us <= %(now_us)s AND lane <= %(lane)s
  AND golden_id = ANY(%(ids)s::bigint[])
ORDER BY lane, id FOR UPDATE

-- name: mark_deliveries
-- What becomes of claimed deliveries before the call.
UPDATE delivery d SET state = r.state, reason = r.reason, patch = r.patch, due_us = r.due_us, again = false,
    sent_at = CASE WHEN r.state = 'inflight' THEN %(now)s ELSE d.sent_at END,
    settled_at = CASE WHEN r.state IN ('superseded', 'filtered') THEN %(now)s END
FROM jsonb_to_recordset(%(batch)s::jsonb) AS r (id bigint, state text, reason text, patch jsonb, due_us bigint)
WHERE d.id = r.id

-- name: settle_deliveries
-- What became of deliveries after the call.
UPDATE delivery d SET state = r.state, reason = r.reason, due_us = r.due_us, tries = r.tries, vendor_id = r.vendor_id,
    settled_at = CASE WHEN r.state IN ('applied', 'superseded', 'filtered') THEN %(now)s::timestamptz END
FROM jsonb_to_recordset(%(batch)s::jsonb) AS r (
    id bigint, state text, reason text, due_us bigint, tries smallint, vendor_id text)
WHERE d.id = r.id

-- name: settled_again
-- Records that changed while their delivery was on its way.
SELECT d.golden_id FROM jsonb_to_recordset(%(batch)s::jsonb) AS r (id bigint) JOIN delivery d ON d.id = r.id WHERE d.again

-- name: replan_children
-- Records that refer to something that has just come to exist in a system.
INSERT INTO replan (golden_id)
SELECT DISTINCT x.golden_id FROM unnest(%(ids)s::bigint[]) AS t (g),
    LATERAL (SELECT golden_id FROM reference k WHERE k.refers_to = t.g OFFSET 0) x
ON CONFLICT DO NOTHING

-- name: vendor_ids_of
-- The ids golden records have in the streams of one connection.
SELECT golden_id, source, vendor_id FROM link
WHERE golden_id = ANY(%(ids)s::bigint[])
  AND source = ANY(%(sources)s) AND NOT gone AND excluded IS NULL

-- name: load_switches
-- Kill and pause switches.
SELECT name, value FROM switch

-- name: load_connection_state
-- How a connection stands.
SELECT account, status, reason, approved_at FROM connection_state WHERE connection = %(connection)s

-- name: connection_needs_attention
-- A person has to mend a connection; its queue is kept.
INSERT INTO connection_state (connection, status, reason, since)
VALUES (%(connection)s, 'needs_attention', %(reason)s, %(now)s)
ON CONFLICT (connection) DO UPDATE SET status = 'needs_attention', reason = excluded.reason, since = excluded.since

-- name: load_brakes
-- How much some sources changed lately.
SELECT source, since_us, counts, tripped FROM brake WHERE kind = 'change' AND source = ANY(%(sources)s) FOR UPDATE

-- name: save_brakes
-- Remember how much some sources changed.
INSERT INTO brake (source, kind, since_us, counts, tripped)
SELECT source, 'change', since_us, counts, tripped
FROM jsonb_to_recordset(%(batch)s::jsonb) AS r (source smallint, since_us bigint, counts jsonb, tripped text)
ON CONFLICT (source, kind) DO UPDATE SET since_us = excluded.since_us, counts = excluded.counts, tripped = excluded.tripped

-- name: hold_window
-- Hold what one source caused within a window and is still waiting; consent (lane 0) goes on.
UPDATE delivery SET state = 'held', reason = %(reason)s
WHERE cause = %(source)s AND state IN ('pending', 'failing') AND lane > 0
  AND created_at >= to_timestamp(%(since_us)s / 1e6)

-- name: release_brake
-- A person has looked: counting starts anew.
DELETE FROM brake WHERE source = %(source)s

-- name: load_canary
-- How far a stream's canary has come: its stage, and how many deliveries ended well, badly or wait.
SELECT s.canary, s.canary_since,
    (SELECT count(*) FROM delivery d WHERE d.source = s.id AND d.state = 'applied' AND d.settled_at >= s.canary_since),
    (SELECT count(*) FROM delivery d WHERE d.source = s.id AND d.state IN ('failing', 'dead') AND d.tries + (d.state = 'dead')::int > 0),
    (SELECT count(*) FROM delivery d WHERE d.source = s.id AND d.state = 'pending')
FROM source s WHERE s.id = %(source)s

-- name: save_canary
-- Move a stream's canary on.
UPDATE source SET canary = %(stage)s WHERE id = %(source)s

-- name: source_canary
-- The stage of a stream's canary alone.
SELECT canary FROM source WHERE id = %(source)s

-- name: save_plan
-- Keep a plan's counts, so that it can be approved by its number.
INSERT INTO run (kind, started_at, ended_at, result, report) VALUES ('plan', %(now)s, %(now)s, 'planned', %(report)s::jsonb)
RETURNING id

-- name: plan_ops
-- Planned writes by stream, kind and state.
SELECT source, op, state, count(*) FROM delivery WHERE state IN ('pending', 'failing', 'held') GROUP BY 1, 2, 3

-- name: plan_fields
-- Planned writes by field and the rule that decided the value.
SELECT d.source, p.key, coalesce(nullif(g.claims->p.key->>2, ''), 'first value'), count(*)
FROM delivery d JOIN golden g ON g.id = d.golden_id, LATERAL jsonb_each(d.patch) AS p
WHERE d.state IN ('pending', 'failing', 'held') GROUP BY 1, 2, 3

-- name: plan_excluded
-- Records that would stay out of a stream, by reason.
SELECT source, reason, count(*) FROM exclusion GROUP BY 1, 2

-- name: plan_samples
-- A few planned writes of each stream and kind.
SELECT source, golden_id, op, patch, prior FROM (
    SELECT d.*, row_number() OVER (PARTITION BY source, op ORDER BY id) AS place
    FROM delivery d WHERE state IN ('pending', 'failing', 'held')) AS numbered
WHERE place <= %(count)s ORDER BY source, op, place

-- name: plan_conflicts
-- Contested values by the rule that settled them.
SELECT rule, count(*) FROM conflict GROUP BY 1

-- name: plan_matches
-- Golden records known to more than one system, and pairs that might be one.
SELECT (SELECT count(*) FROM (SELECT golden_id FROM link WHERE NOT gone GROUP BY golden_id HAVING count(DISTINCT source) > 1) AS m),
    (SELECT count(*) FROM suspicion WHERE state = 'open')
