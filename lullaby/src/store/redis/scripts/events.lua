-- Reads events of one subject, in order.
--
-- ARGV[6]  the subject
-- ARGV[7]  the id after which to begin
-- ARGV[8]  the most events, at most 1,000
-- Answer   entries as XRANGE gives them
local after_id, limit, answer = tonumber(ARGV[7]), tonumber(ARGV[8]), {}
local first = 0
while #answer < limit do
  local ids = call('LRANGE', own .. 'events:' .. ARGV[6], first, first + 999)
  for _, id in ipairs(ids) do
    if tonumber(id) > after_id and #answer < limit then
      answer[#answer + 1] = call('XRANGE', own .. 'events', id .. '-0', id .. '-0')[1]
    end
  end
  if #ids < 1000 then break end
  first = first + 1000
end
return answer
