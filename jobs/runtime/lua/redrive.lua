-- Unfenced. KEYS dead letters, list or inbox, ready; ARGV id, ticket ('' for a delivery), then the item or the delivery's fields
-- Moves the dead letter back to its list or the inbox; returns 0 when that has been done already.
if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
if ARGV[2] == '' then
  redis.call('XADD', KEYS[2], '*', unpack(ARGV, 3))
else
  redis.call('RPUSH', KEYS[2], ARGV[3])
  redis.call('SADD', KEYS[3], ARGV[2])
end
return 1
