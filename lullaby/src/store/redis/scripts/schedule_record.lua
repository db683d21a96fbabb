-- Shared by put_schedule.lua and advance.lua: a schedule is its record as JSON, a mark "<id> <version>" that is compared, its next slot
-- in an index, and the job that its buffered slot waits for. No script reads the record itself, so its fields can change without them.

local function compare(mark, expected, new)
  if expected == '' then return mark and 'conflict' or 'done' end
  if mark == expected then return 'done' end
  local id = mark and string.match(mark, '^(.*) %d+$')
  if id and id == string.match(new, '^(.*) %d+$') then return 'conflict' end
  return 'gone'
end

-- Whether any schedule has a buffered slot; asked once a script.
local some_wait
local function forget_behind(name)
  if some_wait == nil then some_wait = call('EXISTS', own .. 'schedules:behind') == 1 end
  if some_wait then call('HDEL', own .. 'schedules:behind', name) end
end

local function put_record(name, mark, record, next_slot, behind)
  set(own .. 'schedules:mark', name, mark)
  set(own .. 'schedules', name, record)
  if next_slot == '' then
    flush()
    call('ZREM', own .. 'schedules:next', name)
  else
    add(own .. 'schedules:next', next_slot, name)
  end
  if behind == '' then
    forget_behind(name)
  else
    call('HSET', own .. 'schedules:behind', name, behind)
    some_wait = true
  end
end
