-- totals: what the whole shard adds up to, read once at the start and written once at the end.

local now
if ARGV[5] == '' then
  local time = call('TIME')
  now = tonumber(time[1]) * 1000 + floor(tonumber(time[2]) / 1000)
else
  now = tonumber(ARGV[5])
end

local totals = checked(pcall('HMGET', TOTALS,
  'shards', 'sockets', 'connections', 'folded', 'change',
  'records', 'rejected', 'fenced', 'reaped', 'users', 'ran', 'grace', 'back',
  'reader', 'token', 'turn'), TOTALS)
if totals[1] and totals[1] ~= SHARDS then
  error('PRESENCE_SHARDS this prefix was opened with ' .. totals[1] .. ' shard(s), not ' .. SHARDS, 0)
end
local total_sockets = tonumber(totals[2] or 0)
local total_users = tonumber(totals[10] or 0)
local total_connections = tonumber(totals[3] or 0)
local last_ran = tonumber(totals[11] or 0)
local longest_grace = tonumber(totals[12] or 0)
local clock_went_back = totals[13] == '1'
local folded_id = totals[4] or '0-0'
local change_id = totals[5] or '0-0'

-- What this call did, for the reply.
local did = {
  records = 0, operations = 0, skipped = 0, fenced = 0, rejected = 0,
  reaped = 0, given_back = 0, changes = 0, held = 0,
}
local work = 0                  -- units of ARGV[3] used so far
local left = 0                  -- records still in the log, when it is not drained
local left_over = 0             -- entries passed by the caller and not folded

local due                       -- earliest deadline that is still to come, ms

local function due_at(deadline)
  if not due or deadline < due then due = deadline end
end

-- What has been written so far adds up to these; a phase that fails half-way has not reached its commit().
local committed

local function commit()
  committed = {
    users = total_users, sockets = total_sockets, connections = total_connections, folded = folded_id,
    change = change_id, grace = longest_grace, records = did.records, rejected = did.rejected, fenced = did.fenced,
    reaped = did.reaped,
  }
end
commit()

-- `idle`: nothing is left to do before `due`. Otherwise it is due already, for whoever looks at the totals alone.
save_totals = function(idle)
  call('HSET', TOTALS,
    'shards', SHARDS,
    'users', decimal[committed.users],
    'sockets', decimal[committed.sockets],
    'connections', decimal[committed.connections],
    'folded', committed.folded,
    'change', committed.change,
    'records', decimal[tonumber(totals[6] or 0) + committed.records],
    'rejected', decimal[tonumber(totals[7] or 0) + committed.rejected],
    'fenced', decimal[tonumber(totals[8] or 0) + committed.fenced],
    'reaped', decimal[tonumber(totals[9] or 0) + committed.reaped],
    'grace', decimal[committed.grace],
    'back', clock_went_back and '1' or '0',
    'ran', decimal[now],
    'due', decimal[idle and (due or -1) or now])
end

