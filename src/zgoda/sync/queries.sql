-- name: changed_rows
-- Of the rows of a page, those whose content is new to us or whose link waits for a fresh look; whether one is our own
-- write, read back for the first time; and whether it is there as we sent it.
SELECT r.i, l.inflight IS NOT NULL AND NOT l.gone,
    l.fingerprint = r.f AND NOT l.gone AND (l.inflight->>'done_us')::bigint < %(read_us)s
        AND NOT EXISTS (SELECT 1 FROM inbox b WHERE b.source = %(source)s AND b.vendor_id = r.i)
FROM jsonb_to_recordset(%(batch)s::jsonb) AS r (i text, f bigint)
LEFT JOIN LATERAL (
    SELECT fingerprint, inflight, gone FROM link k WHERE k.source = %(source)s AND k.vendor_id = r.i OFFSET 0) l ON true
WHERE l.fingerprint IS DISTINCT FROM r.f OR l.inflight IS NOT NULL OR l.gone
   OR EXISTS (SELECT 1 FROM inbox b WHERE b.source = %(source)s AND b.vendor_id = r.i)

-- name: confirm_links
-- Our own writes, seen there as we sent them by a read that began after them.
UPDATE link l SET inflight = NULL, read_us = greatest(l.read_us, %(read_us)s)
WHERE l.source = %(source)s AND l.vendor_id = ANY(%(ids)s) AND (l.inflight->>'done_us')::bigint < %(read_us)s

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
-- The oldest due rows of an entity's sources, what is live before any backfill; they are gone with this transaction's success.
DELETE FROM inbox WHERE seq = ANY(ARRAY(
    SELECT seq FROM inbox WHERE source = ANY(%(sources)s) AND kind <> 'hint' AND due_us <= %(now_us)s
    ORDER BY backfill, seq LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
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

-- name: replans
-- Golden records of an entity to be thought over again.
SELECT r.golden_id, r.backfill FROM replan r, LATERAL (SELECT entity FROM golden k WHERE k.id = r.golden_id OFFSET 0) g
WHERE g.entity = %(entity)s ORDER BY r.golden_id LIMIT %(limit)s

-- name: drop_replan
-- What is thought over now; after the golden records were locked, as everybody takes the locks in this order.
DELETE FROM replan WHERE golden_id = ANY(%(ids)s::bigint[])

-- name: replan_sharers
-- People who share a contact point that has just been opted out.
INSERT INTO replan (golden_id)
SELECT DISTINCT m.golden_id FROM jsonb_array_elements_text(%(batch)s::jsonb) AS r (key),
    LATERAL (SELECT golden_id FROM match_key k WHERE k.entity = 'person' AND k.key = r.key OFFSET 0) m
ON CONFLICT (golden_id) DO UPDATE SET backfill = false

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
SELECT id, entity, fields, claims, keys, flips, version, gone FROM golden
WHERE id = ANY(%(ids)s::bigint[]) AND joined_into IS NULL
ORDER BY id FOR UPDATE

-- name: lock_lanes
-- The same for a delivery, which needs no more than the fields, and seldom those.
SELECT id, CASE WHEN %(fields)s THEN fields END FROM golden
WHERE id = ANY(%(ids)s::bigint[]) AND joined_into IS NULL
ORDER BY id FOR UPDATE

-- name: load_links_there
-- The links of golden records in one stream.
SELECT source, vendor_id, golden_id, base, agreed, inflight, faults, fingerprint, stamp, modified_us, read_us,
    excluded, gone, moved_to
FROM link WHERE golden_id = ANY(%(ids)s::bigint[]) AND source = %(source)s

-- name: load_links_of
-- All links of golden records.
SELECT source, vendor_id, golden_id, base, agreed, inflight, faults, fingerprint, stamp, modified_us, read_us,
    excluded, gone, moved_to
FROM link WHERE golden_id = ANY(%(ids)s::bigint[])

-- name: load_open_deliveries
-- What is still to be told about golden records.
SELECT id, source, golden_id, coalesce(vendor_id, ''), optout, state FROM delivery
WHERE golden_id = ANY(%(ids)s::bigint[])
  AND state IN ('pending', 'inflight', 'held', 'failing', 'dead')

-- name: load_exclusions
-- Systems that golden records were kept from.
SELECT source, golden_id, reason FROM exclusion
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
INSERT INTO golden (id, entity, fields, claims, keys, flips, version, gone, created_at, changed_at)
SELECT id, entity, fields, claims, keys, flips, version, gone, %(now)s, %(now)s
FROM jsonb_to_recordset(%(batch)s::jsonb) AS r (
    id bigint, entity text, fields jsonb, claims jsonb, keys text[], flips jsonb, version integer, gone boolean)
ON CONFLICT (id) DO UPDATE SET fields = excluded.fields, claims = excluded.claims, keys = excluded.keys, flips = excluded.flips,
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
INSERT INTO delivery (source, golden_id, vendor_id, op, optout, patch, prior, lane, state, reason, cause, golden_version,
    run, due_us, created_at)
SELECT source, golden_id, vendor_id, op, optout, patch, prior, lane, state, reason, cause, golden_version, run, due_us, %(now)s
FROM jsonb_to_recordset(%(batch)s::jsonb) AS r (
    source smallint, golden_id bigint, vendor_id text, op text, optout boolean, patch jsonb, prior jsonb, lane smallint,
    state text, reason text, cause smallint, golden_version integer, run bigint, due_us bigint)
ON CONFLICT (source, golden_id, coalesce(vendor_id, ''), optout)
    WHERE state IN ('pending', 'inflight', 'held', 'failing', 'dead')
DO UPDATE SET op = excluded.op, patch = excluded.patch, prior = excluded.prior,
    lane = least(delivery.lane, excluded.lane), golden_version = excluded.golden_version,
    cause = excluded.cause, run = excluded.run,
    due_us = CASE WHEN delivery.state IN ('pending', 'failing') AND delivery.patch = excluded.patch THEN delivery.due_us
        -- a quiet period starts anew with every edit, but ends after ten of them
        WHEN excluded.due_us > 0 THEN least(excluded.due_us, (10 * (excluded.due_us - extract(epoch FROM excluded.created_at) * 1000000)
            + extract(epoch FROM delivery.created_at) * 1000000)::bigint)
        ELSE 0 END,
    tries = CASE WHEN delivery.patch = excluded.patch THEN delivery.tries ELSE 0 END,
    refused = CASE WHEN delivery.patch = excluded.patch THEN delivery.refused END,
    state = CASE WHEN delivery.state IN ('dead', 'failing') AND delivery.patch = excluded.patch AND delivery.op = excluded.op
        THEN delivery.state
        WHEN delivery.state = 'held' AND NOT starts_with(delivery.reason, 'it left the filter') THEN 'held' ELSE excluded.state END,
    reason = CASE WHEN delivery.state IN ('dead', 'failing', 'held') AND NOT starts_with(delivery.reason, 'it left the filter')
        THEN coalesce(delivery.reason, excluded.reason) ELSE excluded.reason END
WHERE delivery.state <> 'inflight'

-- name: supersede_deliveries
-- What need not be told any more.
UPDATE delivery d SET state = 'superseded', settled_at = %(now)s
FROM jsonb_to_recordset(%(batch)s::jsonb) AS r (id bigint)
WHERE d.id = r.id AND d.state IN ('pending', 'held', 'failing', 'dead')

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
SELECT source, vendor_id, 'row', body, read_us, backfill FROM released ORDER BY read_us, vendor_id

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
UPDATE delivery d SET again = true FROM jsonb_to_recordset(%(batch)s::jsonb) AS r (id bigint)
WHERE d.id = r.id AND d.state = 'inflight'

-- name: lost_deliveries
-- Writes in flight that nobody is waiting for any more: their outcome is unknown.
SELECT id, golden_id, vendor_id, op, patch - ARRAY(SELECT jsonb_object_keys(left_out)), prior, lane, tries,
    golden_version, (extract(epoch FROM created_at) * 1000000)::bigint, refused, left_out
FROM delivery WHERE source = %(source)s AND state = 'inflight' ORDER BY id FOR UPDATE SKIP LOCKED

-- name: due_deliveries
-- What is due for a system and for which golden records, most urgent first.
SELECT id, golden_id FROM delivery d
WHERE source = %(source)s AND state IN ('pending', 'failing') AND due_us <= %(now_us)s AND lane BETWEEN %(least)s AND %(most)s
  AND (op <> 'create' OR %(creates)s)
  AND NOT EXISTS (SELECT 1 FROM delivery k WHERE k.source = d.source AND k.golden_id = d.golden_id AND k.state = 'inflight')
ORDER BY lane, id LIMIT %(limit)s

-- name: claim_deliveries
-- What is due for locked golden records goes in flight, unless something else has meanwhile.
UPDATE delivery d SET state = 'inflight', reason = NULL, left_out = NULL, due_us = 0, again = false, sent_at = %(now)s
WHERE id = ANY(%(ids)s::bigint[]) AND state IN ('pending', 'failing')
  AND NOT EXISTS (SELECT 1 FROM delivery k WHERE k.source = d.source AND k.golden_id = d.golden_id AND k.state = 'inflight')
RETURNING id, golden_id, vendor_id, op, patch, prior, lane, tries, golden_version,
    (extract(epoch FROM created_at) * 1000000)::bigint, refused, NULL

-- name: mark_deliveries
-- Claimed deliveries that do not go now, or not with all their fields.
UPDATE delivery d SET state = r.state, reason = r.reason, left_out = r.left_out, due_us = r.due_us,
    settled_at = CASE WHEN r.state IN ('superseded', 'filtered') THEN %(now)s END
FROM jsonb_to_recordset(%(batch)s::jsonb) AS r (id bigint, state text, reason text, left_out jsonb, due_us bigint)
WHERE d.id = r.id

-- name: settle_deliveries
-- What became of deliveries after the call, and whose records changed while they were on their way.
UPDATE delivery d SET state = r.state, reason = r.reason, due_us = r.due_us, tries = r.tries, vendor_id = r.vendor_id,
    refused = r.refused,
    settled_at = CASE WHEN r.state IN ('applied', 'superseded', 'filtered') THEN %(now)s::timestamptz END
FROM jsonb_to_recordset(%(batch)s::jsonb) AS r (
    id bigint, state text, reason text, due_us bigint, tries smallint, vendor_id text, refused jsonb)
WHERE d.id = r.id RETURNING d.golden_id, d.again

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

-- name: lost_fields
-- Vendor fields of a stream that are paused.
SELECT vendor FROM lost_field WHERE source = %(source)s ORDER BY vendor

-- name: all_lost_fields
-- All paused fields with the reasons.
SELECT source, vendor, reason FROM lost_field ORDER BY source, vendor

-- name: lose_fields
-- Pause vendor fields of a stream.
INSERT INTO lost_field (source, vendor, reason, since)
SELECT %(source)s, v, %(reason)s, %(now)s FROM jsonb_to_recordset(%(batch)s::jsonb) AS r (v text)
ON CONFLICT (source, vendor) DO UPDATE SET reason = excluded.reason

-- name: find_fields_again
-- Paused fields that are back.
DELETE FROM lost_field x USING jsonb_to_recordset(%(batch)s::jsonb) AS r (v text)
WHERE x.source = %(source)s AND x.vendor = r.v

-- name: forget_field_faults
-- Fields that may be told again; returns the records they were parked on.
UPDATE link l SET faults = nullif(l.faults - r.names, '{}'), agreed = nullif(l.agreed - r.names, '{}')
FROM (SELECT array_agg(f) AS names FROM jsonb_to_recordset(%(batch)s::jsonb) AS t (f text)) r
WHERE l.source = %(source)s AND l.faults ?| r.names RETURNING l.golden_id

-- name: load_budgets
-- What connections have used of today's calls.
SELECT connection, used_today FROM connection_state WHERE used_on = %(today)s

-- name: save_budgets
-- Remember what connections have used of a day's calls.
INSERT INTO connection_state (connection, used_today, used_on)
SELECT c, n, %(today)s FROM jsonb_to_recordset(%(batch)s::jsonb) AS r (c text, n integer)
ON CONFLICT (connection) DO UPDATE SET used_on = excluded.used_on, used_today = CASE
    WHEN connection_state.used_on = excluded.used_on THEN greatest(connection_state.used_today, excluded.used_today)
    ELSE excluded.used_today END

-- name: standing_of_source
-- What the gate must know of a stream: its connection's state, the switches, its canary, its paused
-- fields, and whether it was ever read in full.
SELECT coalesce(c.status, 'active'), c.approved_at IS NOT NULL,
    (SELECT coalesce(jsonb_object_agg(name, value), '{}') FROM switch), s.canary,
    ARRAY(SELECT vendor FROM lost_field f WHERE f.source = s.id),
    EXISTS (SELECT 1 FROM feed f WHERE f.source = s.id AND f.kind = 'all' AND f.complete_at IS NOT NULL)
FROM source s LEFT JOIN connection_state c ON c.connection = s.connection WHERE s.id = %(source)s

-- name: stopped
-- Which of some switches is on.
SELECT name FROM switch WHERE name = ANY(%(stops)s) ORDER BY name LIMIT 1

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
SELECT source, slots, tripped FROM brake WHERE source = ANY(%(sources)s) FOR UPDATE

-- name: save_brakes
-- Remember how much some sources changed.
INSERT INTO brake (source, slots, tripped)
SELECT source, slots, tripped FROM jsonb_to_recordset(%(batch)s::jsonb) AS r (source smallint, slots jsonb, tripped text)
ON CONFLICT (source) DO UPDATE SET slots = excluded.slots, tripped = excluded.tripped

-- name: hold_window
-- Hold what one source caused within a window and is still waiting; opt-outs only when they are too many themselves.
UPDATE delivery SET state = 'held', reason = %(reason)s
WHERE cause = %(source)s AND state IN ('pending', 'failing') AND (lane > 0 OR %(optouts)s)
  AND created_at >= to_timestamp(%(since_us)s / 1e6)

-- name: release_brake
-- A person has looked: counting starts anew.
DELETE FROM brake WHERE source = %(source)s

-- name: load_canary
-- How far a stream's canary has come: its stage, and how many deliveries ended well, badly, wait or are on
-- their way.
SELECT s.canary, s.canary_since,
    (SELECT count(*) FROM delivery d WHERE d.source = s.id AND d.state = 'applied' AND d.settled_at >= s.canary_since),
    (SELECT count(*) FROM delivery d WHERE d.source = s.id AND d.state IN ('failing', 'dead') AND d.tries + (d.state = 'dead')::int > 0
        AND coalesce(d.sent_at, d.created_at) >= s.canary_since),
    (SELECT count(*) FROM delivery d WHERE d.source = s.id AND d.state = 'pending'),
    (SELECT count(*) FROM delivery d WHERE d.source = s.id AND d.state = 'inflight')
FROM source s WHERE s.id = %(source)s

-- name: save_canary
-- Move a stream's canary on.
UPDATE source SET canary = %(stage)s WHERE id = %(source)s

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

-- name: state_counts
-- Records by state and reason for every stream.
SELECT source, state, coalesce(reason, ''), count(*) FROM record_state GROUP BY 1, 2, 3

-- name: inbox_counts
-- What was read and waits to be reconciled.
SELECT source, count(*) FROM inbox GROUP BY 1

-- name: feed_times
-- When streams were read.
SELECT source, kind, read_at, complete_at FROM feed

-- name: source_brakes
-- Canaries and brakes.
SELECT s.id, s.canary, b.tripped FROM source s LEFT JOIN brake b ON b.source = s.id

-- name: connection_states
-- How connections stand.
SELECT connection, status, reason, since, approved_at FROM connection_state

-- name: trouble_counts
-- What needs a person.
SELECT (SELECT count(*) FROM conflict WHERE state = 'open'), (SELECT count(*) FROM delivery WHERE state = 'held'),
    (SELECT count(*) FROM delivery WHERE state = 'dead'), (SELECT count(*) FROM suspicion WHERE state = 'open'),
    (SELECT count(*) FROM orphan)

-- name: list_deliveries
-- Deliveries in some states, oldest first.
SELECT d.id, d.source, d.golden_id, g.fields, d.op, d.state, d.reason, d.patch, d.prior, d.tries, d.created_at
FROM delivery d JOIN golden g ON g.id = d.golden_id
WHERE d.state = ANY(%(states)s) AND d.id > %(after)s ORDER BY d.id LIMIT %(limit)s

-- name: list_conflicts
-- Conflicts in some states, oldest first.
SELECT c.id, c.golden_id, g.fields, c.field, c.kept, c.kept_source, c.lost, c.lost_source, c.rule, c.state, c.at
FROM conflict c JOIN golden g ON g.id = c.golden_id
WHERE c.state = ANY(%(states)s) AND c.id > %(after)s ORDER BY c.id LIMIT %(limit)s

-- name: find_records
-- Golden records by id, vendor id, address or name.
SELECT g.id, g.entity, g.fields FROM golden g
WHERE g.joined_into IS NULL AND (
    g.id::text = %(text)s
    OR EXISTS (SELECT 1 FROM link l WHERE l.golden_id = g.id AND l.vendor_id = %(text)s)
    OR lower(g.fields->>'email') = lower(%(text)s)
    OR lower(coalesce(g.fields->>'name', (g.fields->>'given_name') || ' ' || (g.fields->>'family_name'))) = lower(%(text)s))
ORDER BY g.id LIMIT %(limit)s

-- name: one_golden
-- One golden record; the survivor if it was joined.
WITH RECURSIVE chain AS (
    SELECT id, joined_into FROM golden WHERE id = %(id)s
    UNION SELECT g.id, g.joined_into FROM golden g JOIN chain c ON g.id = c.joined_into)
SELECT g.id, g.entity, g.fields, g.claims FROM golden g JOIN chain c ON c.id = g.id WHERE g.joined_into IS NULL

-- name: links_of_one
-- What systems hold of one golden record.
SELECT source, vendor_id, base, faults, gone, excluded FROM link WHERE golden_id = %(id)s ORDER BY source, vendor_id

-- name: changes_of
-- The history of one golden record.
SELECT source, kind, fields, at FROM change WHERE golden_id = %(id)s ORDER BY id

-- name: conflicts_of
-- What was disagreed about one golden record.
SELECT id, field, kept, kept_source, lost, lost_source, rule, state, at FROM conflict WHERE golden_id = %(id)s ORDER BY id

-- name: deliveries_of
-- What systems were told about one golden record.
SELECT id, source, op, patch - ARRAY(SELECT jsonb_object_keys(left_out)), state, reason, created_at, settled_at
FROM delivery WHERE golden_id = %(id)s ORDER BY id

-- name: states_of
-- The state of one golden record in every system.
SELECT source, state, reason FROM record_state WHERE golden_id = %(id)s

-- name: approve_held
-- Let held deliveries go.
UPDATE delivery SET state = 'pending', reason = 'approved', due_us = 0 WHERE id = ANY(%(ids)s::bigint[]) AND state = 'held'
RETURNING golden_id, source, op

-- name: reject_held
-- Refuse held deliveries.
UPDATE delivery SET state = 'filtered', reason = 'rejected: ' || coalesce(reason, ''), settled_at = %(now)s
WHERE id = ANY(%(ids)s::bigint[]) AND state = 'held' RETURNING golden_id, source, op, patch

-- name: revive_golden
-- A record whose deletion was refused lives on.
UPDATE golden SET gone = false WHERE id = ANY(%(ids)s::bigint[])

-- name: agree_to_differ
-- A system keeps its own values after a refusal, until the record changes.
UPDATE link l SET agreed = coalesce(l.agreed, '{}') || r.patch
FROM jsonb_to_recordset(%(batch)s::jsonb) AS r (g bigint, s smallint, patch jsonb)
WHERE l.golden_id = r.g AND l.source = r.s AND NOT l.gone

-- name: redeliver_all
-- Try everything dead or failing again.
UPDATE delivery SET state = 'pending', due_us = 0, tries = 0, refused = NULL WHERE state IN ('dead', 'failing')
RETURNING golden_id, source, op

-- name: redeliver_some
-- Try some dead or failing deliveries again.
UPDATE delivery SET state = 'pending', due_us = 0, tries = 0, refused = NULL
WHERE id = ANY(%(ids)s::bigint[]) AND state IN ('dead', 'failing') RETURNING golden_id, source, op

-- name: forget_faults
-- Parked fields get another chance.
UPDATE link l SET agreed = (SELECT jsonb_object_agg(a.key, a.value) FROM jsonb_each(l.agreed) AS a WHERE NOT l.faults ? a.key),
    faults = NULL
WHERE l.faults IS NOT NULL AND (%(all)s OR l.golden_id = ANY(%(ids)s::bigint[])) RETURNING l.golden_id

-- name: one_conflict
-- An open conflict, locked.
SELECT golden_id, field, kept, lost FROM conflict WHERE id = %(id)s AND state = 'open' FOR UPDATE

-- name: close_conflict
-- A person has decided.
UPDATE conflict SET state = 'decided', decided_by = %(by)s WHERE id = %(id)s

-- name: entity_of
-- What kind of thing a golden record is.
SELECT entity FROM golden WHERE id = %(id)s

-- name: changes_of_run
-- What a run changed in golden records, newest first.
SELECT c.golden_id, g.entity, c.fields FROM change c JOIN golden g ON g.id = c.golden_id
WHERE c.run = %(run)s AND c.kind IN ('edit', 'tie') ORDER BY c.id DESC

-- name: creates_of_run
-- Records a run created in systems and that are still there.
SELECT d.golden_id, d.source, d.vendor_id FROM delivery d
JOIN link l ON l.source = d.source AND l.vendor_id = d.vendor_id AND NOT l.gone
WHERE d.run = %(run)s AND d.op = 'create' AND d.state = 'applied'

-- name: deletes_of_run
-- How many records a run deleted in systems.
SELECT count(*) FROM delivery WHERE run = %(run)s AND op = 'delete' AND state = 'applied'

-- name: hold_deletes
-- Propose to delete what a run created; a person must say yes.
WITH marked AS (
    UPDATE link l SET excluded = 'created by a run that was undone'
    FROM jsonb_to_recordset(%(batch)s::jsonb) AS r (g bigint, s smallint, v text)
    WHERE l.source = r.s AND l.vendor_id = r.v RETURNING l.golden_id, l.source, l.vendor_id, l.base)
INSERT INTO delivery (source, golden_id, vendor_id, op, patch, prior, lane, state, reason, created_at)
SELECT source, golden_id, vendor_id, 'delete', '{}', base, 1, 'held', %(reason)s, %(now)s FROM marked
ON CONFLICT (source, golden_id, coalesce(vendor_id, ''), optout)
    WHERE state IN ('pending', 'inflight', 'held', 'failing', 'dead') DO NOTHING

-- name: forget_gone_link
-- Forget that a record was deleted in a system, so that it is created there again.
DELETE FROM link WHERE golden_id = %(id)s AND source = %(source)s AND gone RETURNING vendor_id

-- name: set_switch
-- Flip a switch on.
INSERT INTO switch (name, value, set_at, set_by) VALUES (%(name)s, %(value)s::jsonb, %(now)s, %(by)s)
ON CONFLICT (name) DO UPDATE SET value = excluded.value, set_at = excluded.set_at, set_by = excluded.set_by

-- name: lift_own_pause
-- A stream the hub paused by itself is tried again.
DELETE FROM switch WHERE name = %(name)s AND set_by = 'the hub'

-- name: lift_pauses
-- All paused streams of a connection go on.
DELETE FROM switch WHERE starts_with(name, 'pause:' || %(connection)s || '/')

-- name: drop_switch
-- Flip a switch off.
DELETE FROM switch WHERE name = %(name)s

-- name: pause_connection
-- An operator stops a connection.
INSERT INTO connection_state (connection, status, reason, since) VALUES (%(connection)s, 'paused', %(reason)s, %(now)s)
ON CONFLICT (connection) DO UPDATE SET status = 'paused', reason = excluded.reason, since = excluded.since

-- name: resume_connection
-- A connection goes on.
UPDATE connection_state SET status = 'active', reason = '', since = %(now)s WHERE connection = %(connection)s

-- name: restart_canary
-- A stopped canary starts again with its first records.
UPDATE source SET canary = 'first', canary_since = %(now)s WHERE id = ANY(%(sources)s) AND canary = 'stopped'

-- name: approve_connections
-- The first sync of some connections may run.
INSERT INTO connection_state (connection, approved_at) SELECT c, %(now)s FROM unnest(%(connections)s::text[]) AS t (c)
ON CONFLICT (connection) DO UPDATE SET approved_at = coalesce(connection_state.approved_at, excluded.approved_at)

-- name: start_run
-- A run begins.
INSERT INTO run (kind, started_at) VALUES (%(kind)s, %(now)s) RETURNING id

-- name: end_run
-- A run ended; its result is derived from its rows, and is not green while rows of earlier runs still fail.
UPDATE run SET ended_at = %(now)s, report = %(report)s::jsonb, result = CASE
    WHEN EXISTS (SELECT 1 FROM delivery d WHERE d.state IN ('failing', 'dead')) THEN 'failing rows'
    WHEN EXISTS (SELECT 1 FROM delivery d WHERE d.run = %(id)s AND d.state = 'held') THEN 'held rows'
    WHEN EXISTS (SELECT 1 FROM delivery d WHERE d.run = %(id)s AND d.state IN ('pending', 'inflight')) THEN 'pending rows'
    WHEN %(troubled)s THEN 'troubled' ELSE 'ok' END
WHERE id = %(id)s RETURNING result

-- name: load_plan
-- A plan by its number.
SELECT report, ended_at FROM run WHERE id = %(id)s AND kind = 'plan'

-- name: register_sources
-- Make sure every stream of every connection has an id; a changed mapping starts a new canary.
INSERT INTO source (connection, stream, entity) SELECT c, s, e FROM jsonb_to_recordset(%(batch)s::jsonb) AS r (c text, s text, e text)
ON CONFLICT (connection, stream) DO NOTHING

-- name: load_sources
-- The ids of streams.
SELECT connection, stream, id, mapping_version FROM source

-- name: save_mapping_versions
-- Remember the mappings in force; a changed one starts a new canary, and everything is read again.
WITH changed AS (
    UPDATE source s SET mapping_version = r.v, canary = 'first', canary_since = %(now)s
    FROM jsonb_to_recordset(%(batch)s::jsonb) AS r (id smallint, v text)
    WHERE s.id = r.id AND s.mapping_version <> r.v RETURNING s.id)
UPDATE feed SET complete_at = NULL, cursor = '{}' WHERE kind = 'all' AND source IN (SELECT id FROM changed)

-- name: runs_kind
-- Recent runs.
SELECT id, kind, started_at, ended_at, result, report FROM run ORDER BY id DESC LIMIT %(limit)s

-- name: claim_account
-- The account a connection stands for; the first one seen stays.
INSERT INTO connection_state (connection, account) VALUES (%(connection)s, %(account)s)
ON CONFLICT (connection) DO UPDATE SET account = CASE WHEN connection_state.account = '' THEN excluded.account
    ELSE connection_state.account END
RETURNING account

-- name: feeds_of
-- When the feeds of a stream were read.
SELECT kind, read_at, complete_at FROM feed WHERE source = %(source)s

-- name: waiting_entities
-- Kinds of things with something to reconcile.
SELECT DISTINCT s.entity FROM source s WHERE EXISTS (
    SELECT 1 FROM inbox b WHERE b.source = s.id AND b.kind <> 'hint' AND b.due_us <= %(now_us)s)
UNION SELECT DISTINCT g.entity FROM (SELECT golden_id FROM replan LIMIT 1000) r,
    LATERAL (SELECT entity FROM golden k WHERE k.id = r.golden_id OFFSET 0) g

-- name: waiting_hints
-- Streams with records to read again.
SELECT s FROM unnest(%(sources)s::smallint[]) AS t (s) WHERE EXISTS (
    SELECT 1 FROM inbox b WHERE b.source = t.s AND b.kind = 'hint' AND b.due_us <= %(now_us)s)
  AND NOT EXISTS (SELECT 1 FROM switch w WHERE w.name = ANY(%(stops)s))

-- name: waiting_deliveries
-- Streams with something to tell, or with a lost answer to look into.
SELECT s FROM unnest(%(sources)s::smallint[]) AS t (s) WHERE EXISTS (
    SELECT 1 FROM delivery d WHERE d.source = t.s AND d.state IN ('pending', 'failing') AND d.due_us <= %(now_us)s
      AND d.lane BETWEEN %(least)s AND %(most)s)
  OR EXISTS (SELECT 1 FROM delivery d WHERE d.source = t.s AND d.state = 'inflight')

-- name: forget_full_read
-- The change feed has a gap: everything is to be read again.
UPDATE feed SET complete_at = NULL, cursor = '{}' WHERE source = %(source)s AND kind = 'all'
