-- ARGV: …, T, S. Of a server that is no member of the slot any more: what it knew of it.
if floor ~= ARGV[3] .. ':' .. ARGV[4] then return {'STALE', floor} end
redis.call('HDEL', KEYS[1], 'g' .. slot)
if KEYS[3] then redis.call('DEL', KEYS[2], KEYS[3]) end
return {'OK'}
