-- ARGV: …, T, S, C, base, expiry, size, reply (N as it is, 2 typed by RESP2, V GET, F HGET), command…
-- Without a command only the expiry changes.
local reply
if #ARGV > 9 then
  if ARGV[9] == 'N' then redis.setresp(3) end
  reply = redis.pcall(unpack(ARGV, 10))
  if type(reply) == 'table' and reply.err then return {'ERR', reply.err} end
  redis.setresp(2)
  if ARGV[9] == 'V' then
    reply = redis.call('GET', KEYS[3])
  elseif ARGV[9] == 'F' then
    reply = redis.call('HGET', KEYS[3], ARGV[12])
  end
  if reply == false then reply = nil end
end
local record
if ARGV[9] == 'V' or ARGV[9] == 'F' then
  record = ':' .. reply
elseif #ARGV == 9 then
  record = ':1'
else
  record = recorded(reply)
end
local text = commit(ARGV[7], record)
if record ~= '' then return {'OK', text} end
redis.setresp(3)
return {'OK', text, reply}
