-- parse: is this entry a record? Reads no key but the process's own, and writes none.

local STEP = { connect = 1, disconnect = -1, leave = -1 }
local ABOUT = { hello = true, pid = true, version = true, grace = true }

-- Every user the records of this call name has a position. `owner` is the process that named it first and `owned` its
-- place there: nearly every user is on one process only, so the lists of a process are dense and need no other index.
local position, positions, user_at, owner, owned = {}, 0, {}, {}, {}

-- The operations of all records, one after the other, by the user's place in its process (0: anonymous); a record
-- holds the indexes of its first and last.
local op_place, op_step, ops = {}, {}, 0

-- Lists a user with a process. Returns its place there.
local function place_of(process, id, at)
  local place
  if not at then
    at = positions + 1
    positions = at
    position[id], user_at[at], owner[at] = at, id, process
    place = process.count + 1
    owned[at] = place
  else
    place = process.guests[at]
    if place then return place end
    place = process.count + 1
    process.guests[at] = place
  end
  process.count = place
  process.user[place], process.at[place] = id, at
  return place
end

-- Reads the operations from fields[i] on. Returns the index after them, or nil and the reason.
local function parse_operations(record, fields, i)
  local process, n = record.of, ops
  record.first = n + 1
  local step = STEP[fields[i]]
  while step do
    local id = fields[i + 1]
    local at = position[id]
    n = n + 1
    op_step[n] = step
    if at and owner[at] == process then
      op_place[n] = owned[at]
    elseif id == '' then
      op_place[n] = 0
    elseif #id > ID_BYTES_MAX then
      return nil, 'a user id is too long'
    else
      op_place[n] = place_of(process, id, at)
    end
    i = i + 2
    step = STEP[fields[i]]
  end
  record.last = n
  if n - ops > OPERATIONS_MAX then return nil, 'too many operations' end
  ops = n
  return i
end

-- fields: the entry's flat list of names and values.
-- Returns a record { of, fields, seq, ttl, about, from, first, last, sockets, connections, bye, replaces } or nil and
-- the reason. Its operations are op_place and op_step from `first` to `last`; fields[from] names the first of them.
local function parse(fields)
  local count = #fields
  if fields[1] ~= 'process' or fields[3] ~= 'seq' or fields[5] ~= 'ttl' then
    return nil, 'a record starts with process, seq, ttl'
  end
  local id = fields[2]
  local record = { fields = fields, seq = whole(fields[4]), ttl = whole(fields[6]) }
  if id == '' or #id > ID_BYTES_MAX then return nil, 'process is empty or too long' end
  if not record.seq or record.seq < 1 then return nil, 'seq is not a whole number from 1' end
  if not record.ttl or record.ttl < 1 or record.ttl > TTL_MS_MAX then return nil, 'ttl is out of range' end

  local i = 7
  while ABOUT[fields[i]] do
    if #fields[i + 1] > ID_BYTES_MAX then return nil, fields[i] .. ' is too long' end
    if fields[i] == 'grace' and (whole(fields[i + 1]) or TTL_MS_MAX + 1) > TTL_MS_MAX then
      return nil, 'grace is out of range'
    end
    record.about = record.about or {}
    record.about[fields[i]] = fields[i + 1]
    i = i + 2
  end

  record.of = process_of(id)
  record.from = i
  local reason
  i, reason = parse_operations(record, fields, i)
  if not i then return nil, reason end

  -- `scope` is kept for counts inside namespaces and rooms: what follows it, up to the check digits, is not ours.
  if fields[i] == 'scope' then
    while i < count and fields[i] ~= 'sockets' do i = i + 2 end
  end

  while i < count do
    local name, value = fields[i], fields[i + 1]
    if name == 'sockets' and not record.sockets then
      record.sockets = whole(value)
      if not record.sockets then return nil, 'sockets is not a whole number' end
    elseif name == 'connections' and not record.connections then
      record.connections = whole(value)
      if not record.connections then return nil, 'connections is not a whole number' end
    elseif name == 'bye' and not record.bye then
      record.bye = true
    elseif name == 'replaces' and value ~= id and #value <= ID_BYTES_MAX then
      record.replaces = record.replaces or {}
      record.replaces[#record.replaces + 1] = value
      if #record.replaces > REPLACES_MAX then return nil, 'too many replaces' end
    else
      return nil, 'unexpected ' .. sub(name, 1, 40)
    end
    i = i + 2
  end
  if not record.sockets then return nil, 'sockets is missing' end
  return record
end
