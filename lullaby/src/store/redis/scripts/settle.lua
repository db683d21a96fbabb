-- Ends executions, or gives jobs back; each only if its job is started under that very token.
--
-- ARGV[6..]  seven for each: id, token, kind, result, error, exc_string, when in ms; at most 1,000
--            F finished, X failed, R retry, Z snoozed, B handed back, S stopped, H cannot be honoured
-- Answer     1 done, 0 taken over, 2 back at the tail because others may be able to run it
local answers, leases, ended = {}, {}, {}

-- What RQ counts of a worker; written once for all of a call.
local function count(job, name)
  local worker = rq .. 'worker:' .. (job.worker or '')
  ended[worker] = ended[worker] or { successful_job_count = 0, failed_job_count = 0 }
  ended[worker][name] = ended[worker][name] + 1
end

-- Whether a live worker that is not of ours listens on this queue.
local function others_listen(queue)
  for _, key in ipairs(call('SMEMBERS', rq .. 'workers:' .. queue)) do
    if call('EXISTS', key) == 1 and call('HEXISTS', key, 'death') == 0 and call('HEXISTS', key, 'lullaby_seen') == 0 then
      return true
    end
  end
  return false
end

-- When a job that has just finished runs again, in ms; nil if it does not, or somebody asked to stop it. The lists of pauses lose their first
-- entry, but for the last one.
local function next_run(job)
  local value = call('HMGET', job.key, 'repeats_left', 'repeat_intervals', 'lullaby_repeat', 'lullaby_stop')
  local left = tonumber(value[1] or '') or 0
  if left <= 0 or value[4] == '1' then return nil end
  call('HSET', job.key, 'repeats_left', int(left - 1))
  local function list(json)
    local fine, pauses = pcall(cjson.decode, json)
    return fine and type(pauses) == 'table' and pauses or {}
  end
  local seconds, ms = list(value[2]), list(value[3])
  while #ms > math.max(#seconds, 1) do table.remove(ms, 1) end
  local pause = tonumber(ms[1]) or (tonumber(seconds[1]) or 0) * 1000
  if #seconds > 1 then
    table.remove(seconds, 1)
    call('HSET', job.key, 'repeat_intervals', cjson.encode(seconds))
  end
  if #ms > 1 then
    table.remove(ms, 1)
    call('HSET', job.key, 'lullaby_repeat', cjson.encode(ms))
  end
  return after(pause)
end

local function settle(i)
  local id, token, kind = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local job = kind == 'F' and load_to_finish(id) or load(id)
  if not job or token_of(job) ~= token or not leave_wip(job, token) then
    leave_taken_over(id, token)
    return 0
  end
  leases[#leases + 1] = member(job.n, id)
  forget_beat(job, token)
  local by = job.subject and text('worker', job.worker)
  if kind == 'F' then count(job, 'successful_job_count')
  elseif kind == 'X' or kind == 'R' or kind == 'S' then count(job, 'failed_job_count') end
  if kind == 'F' then
    local result = present(ARGV[i + 3])
    -- RQ reads no entry and an entry without a value alike; but an older entry must not speak for this run.
    if job.result_ttl ~= 0 and (result or call('EXISTS', rq .. 'results:' .. id) == 1) then
      write_result(job, '1', token, 'return_value', result)
    end
    local at = job.more and next_run(job)
    if at then
      tell(job, 'job.repeating', by and by .. number('due', at))
      call_back(job, 'finished', token)
      come_back(job, at)
      release_dependents(job, 'finished')
    else
      tell(job, 'job.finished', by)
      finish(job, 'finished')
    end
  elseif kind == 'H' and others_listen(job.queue) then
    tell(job, 'job.returned', by)
    enter_queue(job, false)
    return 2
  elseif kind == 'X' or kind == 'H' then
    call('HINCRBY', job.key, 'lullaby_failures', 1)
    fail(job, token, ARGV[i + 4], ARGV[i + 5])
  elseif kind == 'R' then
    local at = tonumber(ARGV[i + 6])
    call('HINCRBY', job.key, 'lullaby_failures', 1)
    call('HSET', job.key, 'lullaby_error', ARGV[i + 4])
    local left = tonumber(call('HGET', job.key, 'retries_left') or '') or 0
    if left > 0 then call('HSET', job.key, 'retries_left', int(left - 1)) end
    tell(job, 'job.retrying', text('error', ARGV[i + 4]) .. number('due', at))
    come_back(job, at)
  elseif kind == 'Z' then
    local at = tonumber(ARGV[i + 6])
    tell(job, 'job.snoozed', number('due', at))
    come_back(job, at)
  elseif kind == 'B' then
    tell(job, 'job.returned', by)
    enter_queue(job, true)
  elseif kind == 'S' then
    tell(job, 'job.stopped')
    if job.failure_ttl ~= 0 then write_result(job, '2', token, 'exc_string', present(ARGV[i + 5])) end
    finish(job, 'stopped')
  end
  return 1
end

for i = 6, #ARGV, 7 do answers[#answers + 1] = settle(i) end
if #leases > 0 then call('ZREM', own .. 'leases', unpack(leases)) end
for worker, counts in pairs(ended) do
  for name, count in pairs(counts) do
    if count > 0 and call('EXISTS', worker) == 1 then call('HINCRBY', worker, name, count) end
  end
end
publish()
return answers
