-- Prepended to every script that writes under a lease: KEYS[1] lease, ARGV[1] fencing token. A lease that expired early, as
-- after a clock jump, still counts while the fence has the token's epoch: no other process has taken it since.
local holder = redis.call('GET', KEYS[1])
if holder ~= ARGV[1] then
  local last = redis.call('GET', 'fence:' .. string.sub(KEYS[1], #'lease:' + 1))
  if holder or last ~= string.match(ARGV[1], '%d+$') then
    return redis.error_reply('LEASELOST another process holds this lease')
  end
end
