-- Prepended to every script that writes under a lease: KEYS[1] lease, ARGV[1] fencing token.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return redis.error_reply('LEASELOST another process holds this lease') end
