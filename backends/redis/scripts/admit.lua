-- KEYS: fence. ARGV: format, cluster, the marker that is expected ('' for none), the next one.
local fence = redis.call('HMGET', KEYS[1], 'v', 'c', 'i')
if fence[1] then
  if fence[1] ~= ARGV[1] then return {'FOREIGN', 'its fence has format ' .. fence[1]} end
  if fence[2] ~= ARGV[2] then return {'FOREIGN', 'it belongs to cluster ' .. fence[2]} end
  if fence[3] == ARGV[4] then return {'DUP'} end
  if fence[3] ~= ARGV[3] then return {'FOREIGN', 'its incarnation is ' .. fence[3]} end
elseif ARGV[3] ~= '' then
  return {'FOREIGN', 'it has no fence'}
elseif redis.call('DBSIZE') > 0 then
  return {'FOREIGN', 'its database is not empty'}
end
redis.call('FLUSHDB', 'ASYNC')
redis.call('HSET', KEYS[1], 'v', ARGV[1], 'c', ARGV[2], 'i', ARGV[4])
return {'OK'}
