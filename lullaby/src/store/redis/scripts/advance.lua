-- Writes decisions about schedules: record, jobs and ledger in one step each, and only if the schedule has the mark expected and all
-- that the decision takes as given still holds.
--
-- ARGV[6..]  for each: its name, the mark expected, the new mark, the record as JSON, its next slot in ms or empty,
--            the job that its buffered slot waits for or empty,
--            how many givens, the givens (a job, and "1" if it must be alive, "0" if not),
--            how many jobs to cancel, their ids,
--            how many ledger lines, the lines ("first last slots decided kind verdict"; of one kind but "-" they fold),
--            how many jobs, how many strings these are in all, the jobs as enqueue_job.lua says
-- Answer     for each "done", "conflict" or "gone"
local LINES = 200
local answers, i = {}, 6

local function fold(last, line)
  local pattern = '^(%d+) (%d+) (%d+) (%d+) (%S+) (.*)$'
  local first1, last1, slots1, _, kind1 = string.match(last, pattern)
  local first2, last2, slots2, decided2, kind2, verdict2 = string.match(line, pattern)
  if kind1 ~= kind2 or kind2 == '-' or tonumber(first2) <= tonumber(last1) then return nil end
  return table.concat({ first1, last2, int(tonumber(slots1) + tonumber(slots2)), decided2, kind2, verdict2 }, ' ')
end

local function write_ledger(key, line)
  local last = call('LINDEX', key, -1)
  local folded = last and fold(last, line)
  if folded then
    call('LSET', key, -1, folded)
  elseif call('RPUSH', key, line) > LINES then
    call('LTRIM', key, -LINES, -1)
  end
end

-- The next argument.
local function take()
  i = i + 1
  return ARGV[i - 1]
end

-- The marks that this script gave; the store has them at its end.
local given = {}

while i <= #ARGV do
  local name, expected, mark, record, next_slot, behind = take(), take(), take(), take(), take(), take()
  local stands = given[name] or call('HGET', own .. 'schedules:mark', name)
  local answer = compare(stands, expected, mark)
  for _ = 1, tonumber(take()) do
    local job, alive = load(take()), take() == '1'
    if answer == 'done' and is_alive(job) ~= alive then answer = 'conflict' end
  end
  for _ = 1, tonumber(take()) do
    local job = take()
    if answer == 'done' then cancel_job(job) end
  end
  local ledger = own .. 'ledger:' .. string.match(mark, '^(.*) %d+$')
  for _ = 1, tonumber(take()) do
    local line = take()
    if answer == 'done' then write_ledger(ledger, line) end
  end
  local jobs, strings = tonumber(take()), tonumber(take())
  if answer == 'done' then
    put_record(name, mark, record, next_slot, behind)
    given[name] = mark
    local at = i
    reserve_numbers(jobs)
    for _ = 1, jobs do
      local _, following = enqueue_job(at)
      at = following
    end
  end
  i = i + strings
  answers[#answers + 1] = answer
end
publish()
return answers
