-- Takes jobs in: into their queue, or scheduled if their time is still to come.
--
-- ARGV[6]    how many jobs; at most 1,000
-- ARGV[7..]  the jobs, as enqueue_job.lua says
-- Answer     one text for each job
local answers, i = {}, 7
reserve_numbers(tonumber(ARGV[6]))
while i <= #ARGV do
  answers[#answers + 1], i = enqueue_job(i)
end
publish()
return answers
