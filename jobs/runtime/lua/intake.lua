-- Unfenced. Puts a delivery into the inbox once, deduplicated by its id and by its content.
-- KEYS[1] seen by id · KEYS[2] seen by content · KEYS[3] inbox
-- ARGV[1] milliseconds to keep the deduplication keys · ARGV[2..] fields and values of the inbox entry
-- Returns the entry's id, or nil for a duplicate.
if redis.call('EXISTS', KEYS[1], KEYS[2]) > 0 then
  return nil
end
if redis.call('XLEN', KEYS[3]) >= 20000 then  -- about 500 MB
  return redis.error_reply('INBOXFULL the inbox holds 20,000 deliveries: check that the clock process runs')
end
local entry = redis.call('XADD', KEYS[3], '*', unpack(ARGV, 2))
redis.call('SET', KEYS[1], entry, 'PX', ARGV[1])
redis.call('SET', KEYS[2], entry, 'PX', ARGV[1])
return entry
