-- process: the registrations this call meets, each read once and written once.

local processes = {}            -- process id -> its table below
local met = {}                  -- the same, in the order met

-- state: nil (unknown), 'live', 'fenced' or 'ended'.
local function process_of(id)
  local process = processes[id]
  if process then return process end
  local key = PROCESS .. id
  local values = checked(pcall('HMGET', key,
    'state', 'seq', 'sockets', 'anonymous', 'connections', 'grace', 'ended', 'cause', 'cursor'), key)
  process = {
    id = id,
    key = key,
    users_key = key .. ':users',
    state = values[1] or nil,
    seq = tonumber(values[2] or 0),
    sockets = tonumber(values[3] or 0),
    anonymous = tonumber(values[4] or 0),
    connections = tonumber(values[5] or 0),
    grace = tonumber(values[6] or 0),
    ended = tonumber(values[7] or 0),
    cause = values[8] or nil,
    cursor = values[9] or '0',
    records = {},               -- the records of this call
    guests = {},                -- position -> number, of the users another process named first
    believed = false,           -- may its next record be applied?
    seq_read = 0,               -- these three: where the records read so far say it is
    sockets_read = 0,
    anonymous_read = 0,
    lease = nil,                -- the deadline to write; 0 hands the process to the reaper
    fields = {},                -- further fields to write
  }
  process.believed = process.state == 'live' or not process.state and process.seq == 0
  process.seq_read, process.sockets_read, process.anonymous_read = process.seq, process.sockets, process.anonymous
  processes[id] = process
  met[#met + 1] = process
  return process
end

local function remember(process, name, value)
  local fields = process.fields
  local n = #fields
  fields[n + 1], fields[n + 2] = name, value
end

-- Stops believing a process: its counts stay, its later records only renew its lease, until it registers afresh.
local function fence(process, reason)
  process.state = 'fenced'
  remember(process, 'state', 'fenced')
  remember(process, 'reason', reason)
  did.fenced = did.fenced + 1
end

-- Ends a process; the reaper then gives its users back.
-- cause: 'bye' (it said so), 'replace' (another incarnation took over), 'reap' (its lease ran out).
local function end_process(process, cause, at)
  if not process.state or process.state == 'ended' then return end
  process.state, process.cause, process.ended = 'ended', cause, at
  remember(process, 'state', 'ended')
  remember(process, 'cause', cause)
  remember(process, 'ended', decimal[at])
  total_connections = total_connections - process.connections
  process.connections = 0
  process.lease = 0
end

-- Writes the leases. A deadline never moves back (GT), except to 0.
local function save_leases()
  local renewed, renews, over, overs = {}, 0, {}, 0
  for i = 1, #met do
    local process = met[i]
    if process.lease == 0 then
      over[overs + 1], over[overs + 2] = '0', process.id
      overs = overs + 2
    elseif process.lease then
      renewed[renews + 1], renewed[renews + 2] = decimal[process.lease], process.id
      renews = renews + 2
    end
  end
  for first = 1, renews, VALUES_MAX do
    local last = first + VALUES_MAX - 1
    if last > renews then last = renews end
    checked(pcall('ZADD', PROCESSES, 'GT', unpack(renewed, first, last)), PROCESSES)
  end
  variadic('ZADD', PROCESSES, over, overs)
end

-- Writes one process's hash; its key's type is known to be right.
local function save_process(process)
  local fields = process.fields
  local n = #fields
  fields[n + 1], fields[n + 2] = 'seq', decimal[process.seq]
  fields[n + 3], fields[n + 4] = 'sockets', decimal[process.sockets]
  fields[n + 5], fields[n + 6] = 'anonymous', decimal[process.anonymous]
  fields[n + 7], fields[n + 8] = 'connections', decimal[process.connections]
  call('HSET', process.key, unpack(fields, 1, n + 8))
  process.fields, process.lease = {}, nil
end
