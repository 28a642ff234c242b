/**
 * The least that a fold of this data model must do, in Lua, as far as we know: read the log, read the users' counts, write them
 * to both hashes, append the changes, trim the log. It checks nothing, keeps neither leases nor totals, and miscounts a user who
 * occurs twice in one call: it is a benchmark, not a projector.
 *
 *   KEYS[1] the log   KEYS[2] users   KEYS[3] changes   ARGV[1] records per call   ARGV[2] prefix of the processes' hashes
 */
export const BARE = `
local call = redis.call
local reply = call('XREADGROUP', 'GROUP', 'bare', 'bare', 'COUNT', ARGV[1], 'NOACK', 'STREAMS', KEYS[1], '>')
if not reply then return 0 end
local entries = reply[1][2]
local ids, steps, owners, n = {}, {}, {}, 0
for e = 1, #entries do
  local fields = entries[e][2]
  local owner, i = fields[2], 7
  while true do
    local name = fields[i]
    if name == 'connect' then steps[n + 1] = 1 elseif name == 'leave' then steps[n + 1] = -1 else break end
    n = n + 1
    ids[n], owners[n] = fields[i + 1], owner
    i = i + 2
  end
end
local held = call('HMGET', KEYS[2], unpack(ids, 1, n))
local set, sets, gone, goes, told, tells, own = {}, 0, {}, 0, {}, 0, {}
for i = 1, n do
  local id, count = ids[i], (held[i] or 0) + steps[i]
  local of = own[owners[i]]
  if not of then
    of = { {}, 0, {}, 0 }
    own[owners[i]] = of
  end
  if count > 0 then
    set[sets + 1], set[sets + 2] = id, count
    sets = sets + 2
    local mine, at = of[1], of[2]
    mine[at + 1], mine[at + 2] = id, count
    of[2] = at + 2
  else
    goes = goes + 1
    gone[goes] = id
    of[4] = of[4] + 1
    of[3][of[4]] = id
  end
  if not held[i] or count <= 0 then
    told[tells + 1], told[tells + 2] = count > 0 and 'online' or 'offline', id
    tells = tells + 2
  end
end
if tells > 0 then call('XADD', KEYS[3], 'MAXLEN', '~', 100000, '*', unpack(told, 1, tells)) end
for owner, of in pairs(own) do
  if of[2] > 0 then call('HSET', ARGV[2] .. owner .. ':users', unpack(of[1], 1, of[2])) end
  if of[4] > 0 then call('HDEL', ARGV[2] .. owner .. ':users', unpack(of[3], 1, of[4])) end
end
if sets > 0 then call('HSET', KEYS[2], unpack(set, 1, sets)) end
if goes > 0 then call('HDEL', KEYS[2], unpack(gone, 1, goes)) end
call('XTRIM', KEYS[1], 'MINID', entries[#entries][1])
call('XDEL', KEYS[1], entries[#entries][1])
return 1`;
