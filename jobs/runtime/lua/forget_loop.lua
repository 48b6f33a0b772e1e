-- KEYS lease, loops, due, then the ticket's keys; ARGV token, ticket. Atomically deletes a loop whose state is older than
-- the board.
redis.call('SREM', KEYS[2], ARGV[2])
redis.call('ZREM', KEYS[3], ARGV[2])
for i = 4, #KEYS do redis.call('DEL', KEYS[i]) end
return 1
