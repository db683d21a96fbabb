-- Runs one entry of rq-scheduler: puts its job into its queue (or, if it waits for jobs that have not finished, among the deferred), and
-- moves the entry to its next time or takes it out. Only if nobody changed the entry since it was read, and rq-scheduler is not in the
-- middle of a round of its own.
--
-- ARGV[6]  rq:scheduler:scheduled_jobs    ARGV[7]  rq:scheduler_lock
-- ARGV[8]  the job's id
-- ARGV[9]  the score that was read        ARGV[10] the meta that was read, empty for none
-- ARGV[11] the next score, empty for the last run
-- ARGV[12] the meta afterwards            ARGV[13] how many runs are left, empty for no end
-- Answer   "fired", "locked" or "changed"
local entries, id, next_score = ARGV[6], ARGV[8], ARGV[11]
local key, ours = job_key(id), own .. 'foreign:' .. id

local holder = call('GET', ARGV[7])
if holder and string.sub(holder, 1, 7) ~= 'lullaby' then return 'locked' end
local score = call('ZSCORE', entries, id)
if not score or tonumber(score) ~= tonumber(ARGV[9]) then return 'changed' end
local job = call('HMGET', key, 'data', 'meta', 'origin', 'timeout', 'enqueue_at_front', 'dependency_ids', 'rate_limit_key')
if not job[1] or (job[2] or '') ~= ARGV[10] or not present(job[3]) then return 'changed' end
local queue = job[3]

-- Those that it waits for. RQ names them as a JSON array of ids.
local parents = {}
local readable, named = pcall(cjson.decode, present(job[6]) or '[]')
for _, parent in ipairs(readable and type(named) == 'table' and named or {}) do
  if type(parent) == 'string' then parents[#parents + 1] = parent end
end

if ARGV[12] ~= ARGV[10] then call('HSET', key, 'meta', ARGV[12]) end
know_queue(queue)
if any_unmet(parents, call('HGET', key, 'allow_dependency_failures') == '1') then
  defer({ id = id, key = key, queue = queue }, parents)
else
  -- What RQ's queue gives a job that says nothing.
  if not present(job[4]) then call('HSET', key, 'timeout', '180') end
  local at_front = job[5] == '1'
  if not enter_by_limiter({ id = id, key = key, queue = queue, at_front = at_front, limit = present(job[7]) or false }, at_front) then
    call('HSET', key, 'status', 'queued', 'enqueued_at', now_text)
    call(at_front and 'LPUSH' or 'RPUSH', rq .. 'queue:' .. queue, id)
  end
end

if next_score ~= '' then
  call('ZADD', entries, next_score, id)
  call('HSET', ours, 'score', next_score)
  if ARGV[13] ~= '' then call('HSET', ours, 'repeat', ARGV[13]) else call('HDEL', ours, 'repeat') end
else
  call('ZREM', entries, id)
  call('DEL', ours)
  -- Only the last run: a time to live would take a recurring entry's record away between two runs.
  local ttl = tonumber(call('HGET', key, 'ttl') or '')
  if ttl and ttl > 0 then call('EXPIRE', key, ttl) end
end
publish()
return 'fired'
