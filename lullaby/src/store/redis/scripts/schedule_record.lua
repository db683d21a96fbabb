-- Shared by put_schedule.lua and advance.lua: a schedule is its record as JSON, a mark "<id> <version>" that is compared, its next slot
-- in an index, and the job that its buffered slot waits for. No script reads the record itself, so its fields can change without them.

local function compare(mark, expected, new)
  if expected == '' then return mark and 'conflict' or 'done' end
  if mark == expected then return 'done' end
  local id = mark and string.match(mark, '^(.*) %d+$')
  if id and id == string.match(new, '^(.*) %d+$') then return 'conflict' end
  return 'gone'
end

local function put_record(name, mark, record, next_slot, behind)
  call('HSET', own .. 'schedules:mark', name, mark)
  call('HSET', own .. 'schedules', name, record)
  if next_slot == '' then
    call('ZREM', own .. 'schedules:next', name)
  else
    call('ZADD', own .. 'schedules:next', next_slot, name)
  end
  if behind == '' then
    call('HDEL', own .. 'schedules:behind', name)
  else
    call('HSET', own .. 'schedules:behind', name, behind)
  end
end
