-- Stores a schedule by compare-and-set.
--
-- ARGV[6]   its name
-- ARGV[7]   the mark expected, "<id> <version>"; empty if there must be none
-- ARGV[8]   the new mark
-- ARGV[9]   the record as JSON
-- ARGV[10]  what slots change of it, as JSON
-- ARGV[11]  its next slot in ms, or empty
-- ARGV[12]  the job that its buffered slot waits for, or empty
-- Answer    "done", "conflict", "gone"
local name, mark = ARGV[6], ARGV[8]
local state = call('HGET', own .. 'schedules:state', name)
local answer = compare(state, ARGV[7], mark)
if answer == 'done' then
  set(own .. 'schedules', name, ARGV[9])
  put_state(name, mark, ARGV[10], newest_line(state), ARGV[11], ARGV[12])
  touch('d')
  publish()
end
return answer
