-- Shared by put_schedule.lua, advance.lua and remove_schedule.lua: where a schedule stands.
--
--   schedules         by name: the whole record as JSON, as somebody last put it
--   schedules:state   by name: "<id> <version> <JSON>", a line feed and the newest line of its ledger. The JSON is what slots change of the
--                     record: a fifth of it, and the only part that a slot writes
--   schedules:next    names by their next slots
--   schedules:behind  by name: the job that its buffered slot waits for
--   ledger:<id>       the older lines
--
-- No script reads JSON, so the record's fields can change without them. Id and version are a mark that compare-and-set compares.

local function id_of(mark) return string.match(mark, '^(%S+) ') end

local function compare(state, expected, new)
  if expected == '' then return state and 'conflict' or 'done' end
  if state and string.sub(state, 1, #expected + 1) == expected .. ' ' then return 'done' end
  return state and id_of(state) == id_of(new) and 'conflict' or 'gone'
end

-- The newest line of a ledger; empty if there is none.
local function newest_line(state)
  local at = state and string.find(state, '\n', 1, true)
  return at and string.sub(state, at + 1) or ''
end

-- Whether any schedule has a buffered slot; asked once a script.
local some_wait
local function forget_behind(name)
  if some_wait == nil then some_wait = call('EXISTS', own .. 'schedules:behind') == 1 end
  if some_wait then call('HDEL', own .. 'schedules:behind', name) end
end

-- Answers the new state.
local function put_state(name, mark, json, line, next_slot, behind)
  local state = mark .. ' ' .. json .. '\n' .. line
  set(own .. 'schedules:state', name, state)
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
  return state
end
