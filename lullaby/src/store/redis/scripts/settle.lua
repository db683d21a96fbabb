-- Ends executions, or gives jobs back; each only if its job is started under that very token.
--
-- ARGV[6..]  for each: its kind, and what that has; at most 1,000
--            F finished: id, token, result in base64       X failed, H cannot be honoured: id, token, error, exc_string
--            R retry: id, token, error, when in ms         Z snoozed: id, token, when in ms
--            S stopped: id, token, exc_string              B handed back: id, token
--            P finished, and plain when it was claimed: its member in RQ's registry, token, result in base64
--            T as P, but for a subject: and this, and its task
--            In front of the first of P and T, and wherever it changes, what they have in common:
--            G queue, worker, when it was claimed in ms, the lease in ms, for how long it is kept in ms; empty is for ever
-- Answer     1 done, 0 taken over, 2 back at the tail because others may be able to run it; none for a G
local WIDTH = { F = 4, X = 5, H = 5, R = 5, Z = 4, S = 4, B = 3, P = 4, T = 6, G = 6 }
local answers, counts, settled = {}, {}, {}

-- What RQ counts of a worker, and how long it worked in all; written once for all of a call.
local function count(worker, name, started_at)
  local of = counts[worker or '']
  if not of then
    of = { successful_job_count = 0, failed_job_count = 0, worked = 0 }
    counts[worker or ''] = of
  end
  of[name] = of[name] + 1
  of.worked = of.worked + math.max(0, now - (millis(started_at) or now))
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

-- Ends a job that went well and was plain, as claim.lua says: what `settle` does, without all that such a job does not have, and in a third
-- of the time. False if it is not ours as it was claimed: somebody took it, or it was renewed and has keys to take away.
local function finish_plain(plain, member, id, token, result, subject, task)
  local key = job_key(id)
  local value = call('HMGET', key, 'lullaby_run', 'started_at', 'status')
  if value[1] ~= token .. (subject and plain.followed_run or plain.run) or value[2] ~= plain.started_at or value[3] ~= 'started' then return false end
  if call('ZREM', plain.wip, member) == 0 then return false end
  count(plain.worker, 'successful_job_count', plain.started_at)
  note_end(id, 'finished')
  if subject then tell({ id = id, subject = subject, task = task }, 'job.finished', text('worker', plain.worker)) end
  local ttl = plain.result_ttl
  if ttl == 0 then
    if subject then call('ZREM', own .. 'subject:' .. subject, id) end
    delete(key)
    if not is_random(id) then delete(rq .. 'results:' .. id) end
    touch('e')
    return true
  end
  if result ~= '' or (not is_random(id) and call('EXISTS', rq .. 'results:' .. id) == 1) then
    write_result({ id = id, worker = plain.worker, started_at = plain.started_at, result_ttl = ttl }, '1', token,
      with('return_value', result))
  end
  call('HSET', key, 'status', 'finished', 'ended_at', now_text)
  keep_finished(id, key, plain.queue, ttl)
  return true
end

local function settle(id, token, kind, first, second)
  -- Twice in one call: what is dropped goes at its end only.
  if settled[token] then return 0 end
  local job = kind == 'F' and load_to_finish(id) or load(id)
  if not job or token_of(job) ~= token then
    leave_taken_over(id, token)
    return 0
  end
  if not leave_wip(job, token) then
    -- Somebody took it off, though it is ours by all else. Where its lease stood it ends now: the reaper gives the job back.
    add(rq .. 'wip:' .. job.queue, wip_score(now), wip_member(id, token))
    leave_taken_over(id, token)
    return 0
  end
  settled[token] = true
  forget_beat(job, token)
  local by = job.subject and text('worker', job.worker)
  if kind == 'F' then
    count(job.worker, 'successful_job_count', job.started_at)
    local result = present(first)
    -- RQ reads no entry and an entry without a value alike; but an older entry must not speak for this run.
    if job.result_ttl ~= 0 and (result or call('EXISTS', rq .. 'results:' .. id) == 1) then
      write_result(job, '1', token, with('return_value', result))
    end
    local at = job.more and next_run(job)
    if at then
      tell(job, 'job.repeating', by and by .. number('due', at))
      keep_attempt(job, token, 'repeating')
      call_back(job, 'finished', token)
      come_back(job, at)
      release_dependents(id, 'finished')
    else
      tell(job, 'job.finished', by)
      finish(job, 'finished')
    end
  elseif kind == 'H' and others_listen(job.queue) then
    tell(job, 'job.returned', by)
    keep_attempt(job, token, 'returned')
    enter_queue(job, false)
    return 2
  elseif kind == 'X' or kind == 'H' then
    if kind == 'X' then count(job.worker, 'failed_job_count', job.started_at) end
    call('HINCRBY', job.key, 'lullaby_failures', 1)
    fail(job, token, first, second)
  elseif kind == 'R' then
    local at = tonumber(second)
    count(job.worker, 'failed_job_count', job.started_at)
    call('HINCRBY', job.key, 'lullaby_failures', 1)
    call('HSET', job.key, 'lullaby_error', first)
    local left = tonumber(call('HGET', job.key, 'retries_left') or '') or 0
    if left > 0 then call('HSET', job.key, 'retries_left', int(left - 1)) end
    tell(job, 'job.retrying', text('error', first) .. number('due', at))
    keep_attempt(job, token, 'retrying', first)
    come_back(job, at)
  elseif kind == 'Z' then
    local at = tonumber(first)
    tell(job, 'job.snoozed', number('due', at))
    keep_attempt(job, token, 'snoozed')
    come_back(job, at)
  elseif kind == 'B' then
    tell(job, 'job.returned', by)
    keep_attempt(job, token, 'returned')
    enter_queue(job, true)
  elseif kind == 'S' then
    count(job.worker, 'failed_job_count', job.started_at)
    tell(job, 'job.stopped')
    if job.failure_ttl ~= 0 then write_result(job, '2', token, with('exc_string', first)) end
    finish(job, 'stopped')
  end
  return 1
end

local function settle_plain(plain, member, token, result, subject, task)
  if settled[token] then return 0 end
  local id = string.sub(member, 1, -34)
  if not finish_plain(plain, member, id, token, result, subject, task) then return settle(id, token, 'F', result) end
  settled[token] = true
  return 1
end

local function in_common(queue, worker, claimed_at, lease, kept)
  local started_at = timestamp(tonumber(claimed_at))
  return { queue = queue, wip = rq .. 'wip:' .. queue, worker = worker, started_at = started_at, result_ttl = tonumber(kept),
    run = ' ' .. started_at .. ' = ' .. lease, followed_run = ' ' .. started_at .. ' ~ ' .. lease }
end

local i, plain = 6, nil
while i <= #ARGV do
  local kind = ARGV[i]
  if kind == 'G' then
    plain = in_common(ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5])
  elseif kind == 'P' then
    answers[#answers + 1] = settle_plain(plain, ARGV[i + 1], ARGV[i + 2], ARGV[i + 3])
  elseif kind == 'T' then
    answers[#answers + 1] = settle_plain(plain, ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5])
  else
    answers[#answers + 1] = settle(ARGV[i + 1], ARGV[i + 2], kind, ARGV[i + 3], ARGV[i + 4])
  end
  i = i + WIDTH[kind]
end
for worker, of in pairs(counts) do
  local key = rq .. 'worker:' .. worker
  if call('EXISTS', key) == 1 then
    for _, name in ipairs({ 'successful_job_count', 'failed_job_count' }) do
      if of[name] > 0 then call('HINCRBY', key, name, of[name]) end
    end
    -- RQ has seconds.
    if of.worked > 0 then call('HINCRBYFLOAT', key, 'total_working_time', string.format('%.3f', of.worked / 1000)) end
  end
end
publish()
return answers
