-- Runs one entry of rq-scheduler: puts its job into its queue, and moves the entry to its next time or takes it out. Only if nobody
-- changed the entry since it was read, and rq-scheduler is not in the middle of a round of its own.
--
-- KEYS[1]  rq:scheduler:scheduled_jobs    KEYS[2]  rq:scheduler_lock
-- KEYS[3]  the job's hash                 KEYS[4]  rq:queues
-- KEYS[5]  the queue                      KEYS[6]  lullaby:foreign:<id>, what we last wrote
-- ARGV[1]  the job's id
-- ARGV[2]  the score that was read        ARGV[3]  the meta that was read, empty for none
-- ARGV[4]  the next score, empty for the last run
-- ARGV[5]  the meta afterwards            ARGV[6]  how many runs are left, empty for no end
-- ARGV[7]  now as RQ writes instants
-- Answer   "fired", "locked" or "changed"
local call = redis.call
local id, read_score, next_score = ARGV[1], ARGV[2], ARGV[4]
local holder = call('GET', KEYS[2])
if holder and string.sub(holder, 1, 7) ~= 'lullaby' then return 'locked' end
local score = call('ZSCORE', KEYS[1], id)
if not score or tonumber(score) ~= tonumber(read_score) then return 'changed' end
if call('EXISTS', KEYS[3]) == 0 then return 'changed' end
if (call('HGET', KEYS[3], 'meta') or '') ~= ARGV[3] then return 'changed' end

call('HSET', KEYS[3], 'status', 'queued', 'enqueued_at', ARGV[7])
-- What RQ's queue gives a job that says nothing.
if (call('HGET', KEYS[3], 'timeout') or '') == '' then call('HSET', KEYS[3], 'timeout', '180') end
if ARGV[5] ~= ARGV[3] then call('HSET', KEYS[3], 'meta', ARGV[5]) end
call('SADD', KEYS[4], KEYS[5])
local push = call('HGET', KEYS[3], 'enqueue_at_front') == '1' and 'LPUSH' or 'RPUSH'
call(push, KEYS[5], id)

if next_score ~= '' then
  call('ZADD', KEYS[1], next_score, id)
  call('HSET', KEYS[6], 'score', next_score)
  if ARGV[6] ~= '' then call('HSET', KEYS[6], 'repeat', ARGV[6]) else call('HDEL', KEYS[6], 'repeat') end
else
  call('ZREM', KEYS[1], id)
  call('DEL', KEYS[6])
  -- Only the last run: a time to live would take a recurring entry's record away between two runs.
  local ttl = tonumber(call('HGET', KEYS[3], 'ttl') or '')
  if ttl and ttl > 0 then call('EXPIRE', KEYS[3], ttl) end
end
return 'fired'
