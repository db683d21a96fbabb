-- Writes decisions about schedules: state, jobs and ledger in one step each, and only if the schedule has the mark expected and all that the
-- decision takes as given still holds.
--
-- ARGV[6]    how many decisions; at most 1,000
-- ARGV[7..]  their schedules' names
-- then       for each: the mark expected, the new mark, what slots change of the record as JSON, its next slot in ms or empty,
--            the job that its buffered slot waits for or empty,
--            how many givens, the givens (a job, and "1" if it must be alive, "0" if not),
--            how many jobs to cancel, their ids,
--            how many ledger lines, the lines (what they fold with, first, last, slots, "decided verdict"; those of "-" never fold),
--            how many jobs, how many strings these are in all, the jobs as enqueue_job.lua says
-- Answer     for each "done", "conflict" or "gone"
local LINES = 200
local count = tonumber(ARGV[6])
local answers, i = {}, 7 + count

-- The next argument.
local function take()
  i = i + 1
  return ARGV[i - 1]
end

-- One that went on as the newest did becomes the newest; another one stands behind it.
local function add_line(ledger, newest, kind, first, last, slots, rest)
  if kind ~= '-' and string.sub(newest, 1, #kind + 1) == kind .. ' ' then
    local first_of_all, last_before, slots_before = string.match(newest, '^%S+ (%d+) (%d+) (%d+)')
    if tonumber(first) > tonumber(last_before) then
      first, slots, newest = first_of_all, int(tonumber(slots_before) + tonumber(slots)), ''
    end
  end
  if newest ~= '' and call('RPUSH', ledger, newest) >= LINES then call('LTRIM', ledger, 1 - LINES, -1) end
  return kind .. ' ' .. first .. ' ' .. last .. ' ' .. slots .. ' ' .. rest
end

-- The states, as this script leaves them.
local states = {}
for n, state in ipairs(call('HMGET', own .. 'schedules:state', unpack(ARGV, 7, 6 + count))) do states[ARGV[6 + n]] = state end

for n = 1, count do
  local name = ARGV[6 + n]
  local expected, mark, json, next_slot, behind = take(), take(), take(), take(), take()
  local answer = compare(states[name], expected, mark)
  for _ = 1, tonumber(take()) do
    local job, alive = load(take()), take() == '1'
    if answer == 'done' and is_alive(job) ~= alive then answer = 'conflict' end
  end
  for _ = 1, tonumber(take()) do
    local job = take()
    if answer == 'done' then cancel_job(job) end
  end
  local line = newest_line(states[name])
  for _ = 1, tonumber(take()) do
    local kind, first, last, slots, rest = take(), take(), take(), take(), take()
    if answer == 'done' then line = add_line(own .. 'ledger:' .. id_of(mark), line, kind, first, last, slots, rest) end
  end
  local jobs, strings = tonumber(take()), tonumber(take())
  if answer == 'done' then
    states[name] = put_state(name, mark, json, line, next_slot, behind)
    local at = i
    reserve_numbers(jobs)
    for _ = 1, jobs do
      local _, following = enqueue_job(at)
      at = following
    end
  end
  i = i + strings
  answers[n] = answer
end
publish()
return answers
