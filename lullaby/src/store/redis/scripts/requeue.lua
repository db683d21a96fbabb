-- Puts ended or scheduled jobs back into their queue, with their failures and losses forgotten.
--
-- ARGV[6]    1 at the front
-- ARGV[7..]  ids; at most 1,000
-- Answer     for each: "q" queued, "n" not found, "u" and the status of one that is queued or runs
local answers = {}
for i = 7, #ARGV do
  local job = load(ARGV[i])
  local answer
  if not job then
    answer = 'n'
  elseif job.status == 'queued' or job.status == 'started' then
    answer = 'u' .. job.status
  else
    requeue_job(job, ARGV[6] == '1')
    answer = 'q'
  end
  answers[#answers + 1] = answer
end
publish()
return answers
