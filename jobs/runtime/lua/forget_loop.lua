-- KEYS lease, loops, then the ticket's keys; ARGV token, ticket. Atomically deletes a loop whose state is older than the board.
redis.call('SREM', KEYS[2], ARGV[2])
for i = 3, #KEYS do redis.call('DEL', KEYS[i]) end
return 1
