-- parse: is this entry a record? Reads no key but the process's own, and writes none.

local STEP = { connect = 1, disconnect = -1, leave = -1 }
local ABOUT = { hello = true, pid = true, version = true, grace = true }

-- `<id>:users` names a key of process <id>, so no other process can be called that.
local function is_process_id(id)
  return id ~= '' and #id <= ID_BYTES_MAX and sub(id, -6) ~= ':users'
end

-- Every user the records of this call name has a position: 1, 2, 3 … in the order met. `owner` is the process that named
-- the user first; nearly every user is on that process only. A user whom other processes name as well is their guest:
-- a guest has a number of its own, and lists of its own below.
local position, positions, user_at, owner = { [''] = 0 }, 0, {}, {}
local guests, guest_at, guest_process, has_guests = 0, {}, {}, {}

-- The operations of all records, one after the other: the position of the user (0: anonymous), or the number of the
-- guest, negated. A record holds the indexes of its first and last.
local op_at, op_step, ops = {}, {}, 0

-- The number, negated, of a user who has another owner.
local function guest(process, at)
  local number = process.guests[at]
  if not number then
    number = guests + 1
    guests = number
    guest_at[number], guest_process[number] = at, process
    process.guests[at], has_guests[at] = number, true
  end
  return -number
end

-- Reads the operations from fields[i] on into op_at and op_step. Returns the index after them, or nil and the reason.
-- (The busiest loop of all: what it uses is held in locals, and nothing is called for a user seen for the first time.)
local function parse_operations(process, fields, i)
  local n, at_last, step_of, position, owner = ops, positions, STEP, position, owner
  local ats, steps, users, own, count = op_at, op_step, user_at, process.own, process.count
  local step, most = step_of[fields[i]], n + OPERATIONS_MAX
  while step do
    local id = fields[i + 1]
    local at = position[id]
    if n == most then
      positions, process.count = at_last, count
      return nil, 'too many operations'
    end
    n = n + 1
    steps[n] = step
    if not at then
      if #id > ID_BYTES_MAX then
        positions, process.count = at_last, count
        return nil, 'a user id is too long'
      end
      at_last = at_last + 1
      count = count + 1
      position[id], users[at_last], owner[at_last], own[count], ats[n] = at_last, id, process, at_last, at_last
    elseif owner[at] == process or at == 0 then
      ats[n] = at
    else
      ats[n] = guest(process, at)
    end
    i = i + 2
    step = step_of[fields[i]]
  end
  positions, process.count = at_last, count
  ops = n
  return i
end

-- What the first record of a process says about it: fields from i on. Returns the index after it and a table or nil,
-- or nil and the reason.
local function parse_about(fields, i)
  local about
  while ABOUT[fields[i]] do
    local name, value = fields[i], fields[i + 1]
    if #value > ID_BYTES_MAX then return nil, name .. ' is too long' end
    if name == 'grace' and (whole(value) or TTL_MS_MAX + 1) > TTL_MS_MAX then return nil, 'grace is out of range' end
    about = about or {}
    about[name] = value
    i = i + 2
  end
  return i, about
end

-- fields: the entry's flat list of names and values.
-- Returns a record { of, fields, seq, ttl, about, from, first, last, sockets, connections, bye, replaces } or nil and
-- the reason. Its operations are op_at and op_step from `first` to `last`; fields[from] names the first of them.
local function parse(fields)
  local count = #fields
  if fields[1] ~= 'process' or fields[3] ~= 'seq' or fields[5] ~= 'ttl' then
    return nil, 'a record starts with process, seq, ttl'
  end
  local id, seq, ttl = fields[2], whole(fields[4]), whole(fields[6])
  if not is_process_id(id) then return nil, 'process is empty, too long or ends in :users' end
  if not seq or seq < 1 then return nil, 'seq is not a whole number from 1' end
  if not ttl or ttl < 1 or ttl > TTL_MS_MAX then return nil, 'ttl is out of range' end

  local i, about = parse_about(fields, 7)
  if not i then return nil, about end
  local process, from, first, reason = process_of(id), i, ops + 1, nil
  i, reason = parse_operations(process, fields, i)
  if not i then return nil, reason end

  -- `scope` is kept for counts inside namespaces and rooms: what follows it, up to the check digits, is not ours.
  if fields[i] == 'scope' then
    while i < count and fields[i] ~= 'sockets' do i = i + 2 end
  end

  local sockets, connections, bye, replaces
  while i < count do
    local name, value = fields[i], fields[i + 1]
    if name == 'sockets' and not sockets then
      sockets = whole(value)
      if not sockets then return nil, 'sockets is not a whole number' end
    elseif name == 'connections' and not connections then
      connections = whole(value)
      if not connections then return nil, 'connections is not a whole number' end
    elseif name == 'bye' and not bye then
      bye = true
    elseif name == 'replaces' and value ~= id and is_process_id(value) then
      replaces = replaces or {}
      replaces[#replaces + 1] = value
      if #replaces > REPLACES_MAX then return nil, 'too many replaces' end
    else
      return nil, 'unexpected ' .. sub(name, 1, 40)
    end
    i = i + 2
  end
  if not sockets then return nil, 'sockets is missing' end
  return {
    of = process, fields = fields, seq = seq, ttl = ttl, about = about, from = from, first = first, last = ops,
    sockets = sockets, connections = connections, bye = bye, replaces = replaces, at = 0,
  }
end
