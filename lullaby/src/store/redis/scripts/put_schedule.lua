-- Stores a schedule by compare-and-set.
--
-- ARGV[6]   its name
-- ARGV[7]   the mark expected, "<id> <version>"; empty if there must be none
-- ARGV[8]   the new mark
-- ARGV[9]   the record as JSON
-- ARGV[10]  its next slot in ms, or empty
-- ARGV[11]  the job that its buffered slot waits for, or empty
-- Answer    "done", "conflict", "gone"
local mark = call('HGET', own .. 'schedules:mark', ARGV[6])
local answer = compare(mark, ARGV[7], ARGV[8])
if answer == 'done' then
  put_record(ARGV[6], ARGV[8], ARGV[9], ARGV[10], ARGV[11])
  touch('d')
  publish()
end
return answer
