-- ARGV: …, T, S, C, base, expiry, size, how many KEYS a script is shown, kind (T transaction, S
-- script, R script that may not write); then for T of each command how it replies (as in delta; K
-- as N) and how many arguments it has, as in "N3", and these; for S and R its body and its ARGV.
-- What runs may ask for and change the expiry, so for that long the key has a native one.
local key = KEYS[3]
local native
if ARGV[7] ~= '0' and kind ~= '-' then
  -- The first write, so that it is refused if there is no memory: what follows would not be.
  redis.call('SET', KEYS[2], meta)
  local clock = redis.call('TIME')
  local soonest = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000) + 1
  native = math.max(tonumber(ARGV[7]), soonest)
  redis.call('PEXPIREAT', key, string.format('%.0f', native))
end
local function is_nack(text)
  local code = string.match(text, '^%u+')
  return code == 'OOM' or code == 'MISCONF' or code == 'READONLY' or code == 'NOREPLICAS'
end
local function end_expiry()
  local at = redis.call('PEXPIRETIME', key)
  if at < 0 then return '0' end
  redis.call('PERSIST', key)
  if at == native then return ARGV[7] end
  return string.format('%.0f', at)
end

if ARGV[10] == 'T' then
  local replies, i = {}, 11
  while i <= #ARGV do
    local how = string.sub(ARGV[i], 1, 1)
    local last = i + tonumber(string.sub(ARGV[i], 2))
    redis.setresp((how == 'N' or how == 'K') and 3 or 2)
    local reply = redis.pcall(unpack(ARGV, i + 1, last))
    if type(reply) == 'table' and reply.err then
      if is_nack(reply.err) then
        redis.setresp(2)
        if native then redis.call('PERSIST', key) end
        return {'ERR', reply.err}
      end
    elseif how == 'V' then
      reply = {big_number = redis.call('GET', key)}
    elseif how == 'F' then
      reply = {big_number = redis.call('HGET', key, ARGV[i + 3])}
    end
    if reply == false then reply = nil end
    replies[#replies + 1] = {reply}
    i = last + 1
  end
  redis.setresp(2)
  local text = commit(end_expiry(), '')
  redis.setresp(3)
  return {'OK', text, replies}
end

local real = redis
local one_key = ' append bitcount bitfield bitfield_ro bitpos decr decrby del exists expire expireat ' ..
  'expiretime geoadd geodist geohash geopos georadius georadius_ro georadiusbymember ' ..
  'georadiusbymember_ro geosearch get getbit getdel getex getrange getset hdel hexists hget ' ..
  'hgetall hincrby hincrbyfloat hkeys hlen hmget hmset hrandfield hscan hset hsetnx hstrlen hvals ' ..
  'incr incrby incrbyfloat lindex linsert llen lpop lpos lpush lpushx lrange lrem lset ltrim persist ' ..
  'pexpire pexpireat pexpiretime pfadd psetex pttl rpop rpush rpushx sadd scard set setbit setex ' ..
  'setnx setrange sismember smembers smismember spop srandmember srem sscan strlen substr touch ttl ' ..
  'type unlink xack xadd xautoclaim xclaim xdel xlen xpending xrange xrevrange xsetid xtrim zadd ' ..
  'zcard zcount zincrby zlexcount zmscore zpopmax zpopmin zrandmember zrange zrangebylex ' ..
  'zrangebyscore zrank zrem zremrangebylex zremrangebyrank zremrangebyscore zrevrange ' ..
  'zrevrangebylex zrevrangebyscore zrevrank zscan zscore '
local reading = ' bitcount bitfield_ro bitpos exists expiretime geodist geohash geopos ' ..
  'georadius_ro georadiusbymember_ro geosearch get getbit getrange hexists hget hgetall hkeys hlen ' ..
  'hmget hrandfield hscan hstrlen hvals lindex llen lpos lrange pexpiretime pttl scard sismember ' ..
  'smembers smismember srandmember sscan strlen substr touch ttl type xlen xpending xrange ' ..
  'xrevrange zcard zcount zlexcount zmscore zrandmember zrange zrangebylex zrangebyscore zrank ' ..
  'zrevrange zrevrangebylex zrevrangebyscore zrevrank zscan zscore '
local function confined(call)
  return function(name, ...)
    local keys = {...}
    local command = ' ' .. string.lower(tostring(name)) .. ' '
    local allowed = string.find(one_key, command, 1, true) and keys[1] == key
    if allowed and string.find(' del unlink exists touch ', command, 1, true) then
      for i = 2, #keys do allowed = allowed and keys[i] == key end
    end
    if not allowed and not string.find(' time echo ping ', command, 1, true) then
      local text = 'ERR a script on a replicated pool may not call this, or not on another key:' ..
        command
      if call == real.call then error({err = text}) end
      return {err = text}
    end
    if ARGV[10] == 'R' and keys[1] and not string.find(reading, command, 1, true) then
      local text = 'ERR Write commands are not allowed from read-only scripts.'
      if call == real.call then error({err = text}) end
      return {err = text}
    end
    return call(name, ...)
  end
end
local body, problem = loadstring('local redis,KEYS,ARGV,_G,load,loadstring=... ' .. ARGV[11],
                                 '@user_script')
if not body then
  if native then redis.call('PERSIST', key) end
  return {'ERR', 'ERR Error compiling script (new function): ' .. problem}
end
local arguments = {}
for i = 12, #ARGV do arguments[#arguments + 1] = ARGV[i] end
local offered = {}
for name, value in pairs(redis) do offered[name] = value end
offered.call, offered.pcall = confined(real.call), confined(real.pcall)
local names = {}
for i = 1, tonumber(ARGV[9]) do names[i] = key end
local function run() return body(offered, names, arguments) end
-- Not pcall, which makes a text of every error: whether it was one decides how it is told.
local fine, reply = xpcall(run, function(why)
  if type(why) == 'table' and why.err then return {err = why.err} end
  return {err = 'ERR ' .. tostring(why)}
end)  -- what it wrote before stays, as it would on a server alone
real.setresp(2)
local text = commit(end_expiry(), recorded(reply))
return {'OK', text, reply}
