-- Before delta and run: is the register as the owner believes? ARGV: …, base, expiry, how large its
-- value may be (0: as large as it is).
if current ~= ARGV[6] then return {'NEED', current} end
if (kind ~= '-') ~= (redis.call('EXISTS', KEYS[3]) == 1) then return {'TORN', current} end
if ARGV[8] ~= '0' and kind ~= '-' then
  local size = redis.call('MEMORY', 'USAGE', KEYS[3])
  if size > tonumber(ARGV[8]) then
    return {'ERR', 'ERR the value takes ' .. string.format('%.0f', size) .. ' bytes: on more than ' ..
      ARGV[8] .. ' a replicated pool does not run what one replica has to do for all'}
  end
end
local letters = {string = 's', list = 'l', set = 'e', zset = 'z', hash = 'h', stream = 'x'}
-- What a write that is asked twice is answered; nothing if the reply is too long to be kept.
local function recorded(reply)
  local is = type(reply)
  if reply == nil then return '_' end
  if is == 'number' and reply == math.floor(reply) then
    return ':' .. string.format('%.0f', reply)
  end
  if is == 'string' and #reply <= 128 then return '$' .. reply end
  if is == 'table' and reply.ok then return '+' .. reply.ok end
  if is == 'table' and reply.double then return ',' .. string.format('%.17g', reply.double) end
  return ''
end
local function commit(expiry, record)
  local now = letters[redis.call('TYPE', KEYS[3]).ok] or '-'
  if now == '-' then expiry = '0' end
  local text = 'a' .. version .. '|' .. now .. '|' .. expiry .. '|' .. record
  redis.call('SET', KEYS[2], text)
  raise_high_water()
  return text
end
