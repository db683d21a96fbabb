-- Writes decisions about schedules: record, jobs and ledger in one step each, and only if the schedule has the mark expected.
--
-- ARGV[6..]  for each: its name, the mark expected, the new mark, the record as JSON, its next slot in ms or empty,
--            how many ledger lines, the lines ("first last slots decided verdict"),
--            how many jobs, how many strings these are in all, the jobs as enqueue_job.lua says
-- Answer     for each "done", "conflict" or "gone"
local LINES = 200
local answers, i = {}, 6

-- Consecutive fired slots fold into one line.
local function fold(last, line)
  local pattern = '^(%d+) (%d+) (%d+) (%d+) (.*)$'
  local first1, last1, slots1, _, verdict1 = string.match(last, pattern)
  local first2, last2, slots2, decided2, verdict2 = string.match(line, pattern)
  local fired = '{"fired"'
  if not first1 or string.sub(verdict1, 1, #fired) ~= fired or string.sub(verdict2, 1, #fired) ~= fired
    or tonumber(first2) <= tonumber(last1) then
    return nil
  end
  return table.concat({ first1, last2, int(tonumber(slots1) + tonumber(slots2)), decided2, verdict2 }, ' ')
end

local function write_ledger(key, line)
  local last = call('LINDEX', key, -1)
  local folded = last and fold(last, line)
  if folded then call('LSET', key, -1, folded) else call('RPUSH', key, line) end
end

while i <= #ARGV do
  local name, expected, mark, record, next_slot = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  local lines = tonumber(ARGV[i + 5])
  local jobs_at = i + 6 + lines
  local jobs, strings = tonumber(ARGV[jobs_at]), tonumber(ARGV[jobs_at + 1])
  local answer = compare(call('HGET', own .. 'schedules:mark', name), expected, mark)
  if answer == 'done' then
    local ledger = own .. 'ledger:' .. string.match(mark, '^(.*) %d+$')
    for line = i + 6, jobs_at - 1 do write_ledger(ledger, ARGV[line]) end
    call('LTRIM', ledger, -LINES, -1)
    put_record(name, mark, record, next_slot)
    local at = jobs_at + 2
    for _ = 1, jobs do
      local _, following = enqueue_job(at)
      at = following
    end
  end
  answers[#answers + 1] = answer
  i = jobs_at + 2 + strings
end
publish()
return answers
