-- Withdraws jobs: one that waits is canceled, one that runs is asked to stop.
--
-- ARGV[6]    1 to let in those that wait for one of them alone
-- ARGV[7..]  ids; at most 1,000
-- Answer     for each: "c" canceled, "s" stopping, "n" not found, "e" and the status of one that has ended
local answers = {}
for i = 7, #ARGV do
  answers[#answers + 1] = cancel_job(ARGV[i], ARGV[6] == '1')
end
publish()
return answers
